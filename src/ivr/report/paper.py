"""What the paper prints, and which of the scores made here may stand beside it.

Source: Xu et al. (ICLR 2023), its table of results: D4RL's data, a million updates, means over
seeds with the spread where they give one.
"""

import re
from collections.abc import Mapping
from typing import Any

from ivr.data.sources.d4rl.published import PUBLISHED
from ivr.report.gathering.groups import SeedGroup

ALGORITHMS = ("bc", "bc10", "bcq", "dt", "onestep", "td3bc", "cql", "iql", "sql", "eql")

_TABLE = """
halfcheetah-medium 42.6 42.5 47.0 42.6 48.4 48.3 44.0±0.8 47.4±0.2 48.3±0.2 47.2±0.3
hopper-medium 52.9 56.9 56.7 67.6 59.6 59.3 58.5±2.1 66.3±5.7 75.5±3.4 74.6±2.6
walker2d-medium 75.3 75.0 72.6 74.0 81.8 83.7 72.5±0.8 72.5±8.7 84.2±4.6 83.2±4.4
halfcheetah-medium-replay 36.6 40.6 40.4 36.6 38.1 44.6 45.5±0.5 44.2±1.2 44.8±0.7 44.5±0.5
hopper-medium-replay 18.1 75.9 53.3 82.7 97.5 60.9 95.0±6.4 95.2±8.6 99.7±3.3 98.1±3.6
walker2d-medium-replay 26.0 62.5 52.1 66.6 49.5 81.8 77.2±5.5 76.1±7.3 81.2±3.8 76.6±4.2
halfcheetah-medium-expert 55.2 92.9 89.1 86.8 93.4 90.7 90.7±4.3 86.7±5.3 94.0±0.4 90.6±0.5
hopper-medium-expert 52.5 110.9 81.8 107.6 103.3 98.0 105.4±6.8 101.5±7.3 111.8±2.2 105.5±2.1
walker2d-medium-expert 107.5 109.0 109.0 108.1 113.0 110.1 109.6±0.7 110.6±1.0 110.0±0.8 110.2±0.8
antmaze-umaze 54.6 62.8 78.9 59.2 64.3 78.6 84.8±2.3 85.5±1.9 92.2±1.4 93.2±2.2
antmaze-umaze-diverse 45.6 50.2 55.0 53.0 60.7 71.4 43.4±5.4 66.7±4.0 74.0±2.3 65.4±2.7
antmaze-medium-play 0 5.4 0 0.0 0.3 10.6 65.2±4.8 72.2±5.3 80.2±3.7 77.5±4.3
antmaze-medium-diverse 0 9.8 0 0.0 0.0 3.0 54.0±11.7 71.0±3.2 79.1±4.2 70.0±3.7
antmaze-large-play 0 0.0 6.7 0.0 0.0 0.2 38.4±12.3 39.6±4.5 53.2±4.8 45.6±4.2
antmaze-large-diverse 0 6.0 2.2 0.0 0.0 0.0 31.6±9.5 47.5±4.4 52.3±5.2 42.5±4.7
kitchen-complete 33.8 – – – – – 43.8±11.2 61.4±9.5 76.4±8.7 70.3±7.1
kitchen-partial 33.9 – – – – – 49.8±10.1 46.1±8.5 72.5±7.4 74.5±3.8
kitchen-mixed 47.5 – – – – – 51.0±6.5 52.8±4.5 67.4±5.4 55.6±5.2
"""

SCORES = {
    (dataset, algo): score
    for dataset, *scores in map(str.split, _TABLE.strip().splitlines())
    for algo, score in zip(ALGORITHMS, scores, strict=True)
    if score != "–"
}
"""By dataset and `algo=`."""


_TASKS = {
    "halfcheetah-": ("return", [-280.178953, 12135.0], 1000),
    "hopper-": ("return", [-20.272305, 3234.3], 1000),
    "walker2d-": ("return", [1.629008, 4592.3], 1000),
    "antmaze-umaze": ("success", [0.0, 1.0], 700),
    "antmaze-": ("success", [0.0, 1.0], 1000),
    "kitchen-": ("tasks", [0.0, 4.0], 280),
}
"""How D4RL scores (`d4rl/infos.py` and its environments), by how the names of its data begin: what
an episode is scored by, the returns that are 0 and 100, the steps that it may take."""

_OTHER_TASK = re.compile(r"\W*dataset\.(reference|max_episode_steps|metric|goal|env_kwargs)\b")
"""Words of a command by which a policy is scored otherwise than D4RL does."""


def comparable(group: SeedGroup, mixed: bool = False) -> bool:
    """Whether a group's scores may stand beside the paper's.

    They must be made on D4RL's own data, all of them, in an environment that repeats them, scored
    as D4RL does, and not chosen by how high they are.

    Args:
        group: the seeds of one setting.
        mixed: whether the paper's data are mixed or thinned as well, as in its experiments on noise
            and on few data.
    """
    if not set(group.replays) <= {"exact", "close"}:
        return False
    for result in group.results:
        own, *noise = taken_apart(result["dataset_source"]) if mixed else [result["dataset_source"]]
        # A file in the place of a published one was compared with it by the name of its dataset.
        if not _published(own, result["dataset"] in PUBLISHED) or not all(map(_published, noise)):
            return False
        if result.get("split") or selects(result) or not as_d4rl_scores(result):
            return False
    return True


def selects(result: Mapping[str, Any]) -> bool:
    """Whether seeds of a run were stopped for their scores, so that its last ones are chosen."""
    return bool((result.get("halving") or {}).get("factor"))


def taken_apart(source: str) -> list[str]:
    """Take apart what result.json says of data that were mixed or thinned.

    Such as "0.03 of (d4rl a)" and "0.1 of d4rl a, 0.9 of d4rl b".
    """
    thinned = re.fullmatch(r"[\d.e-]+ of \((.*)\)", source, re.DOTALL)
    if thinned:
        return taken_apart(thinned[1])
    share = r"[\d.e-]+ of "
    if not re.match(share, source):
        return [source]
    return [re.sub(f"^{share}", "", part) for part in re.split(f", (?={share})", source)]


def _published(source: str, compared: bool = False) -> bool:
    """Whether data are D4RL's; `compared` with its files, what differs says so: `data.load`."""
    which, _, place = source.removeprefix("d4rl ").partition(" at ")
    known = compared or not place or any(which == record.id for record in PUBLISHED.values())
    return source.startswith("d4rl ") and known and "as it was published" not in source


def as_d4rl_scores(result: Mapping[str, Any]) -> bool:
    """Whether a run is scored as D4RL scores its dataset, so far as its result.json says."""
    if any(map(_OTHER_TASK.match, result.get("overrides") or ())):
        return False
    task = result.get("evaluation") or {}
    found = (task.get("metric"), task.get("reference"), task.get("max_episode_steps"))
    for begins, expected in _TASKS.items():
        if result["dataset"].startswith(begins):
            pairs = zip(found, expected, strict=True)
            return all(ours is None or ours == theirs for ours, theirs in pairs)
    return True
