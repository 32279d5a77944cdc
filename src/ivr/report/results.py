"""Gathers the results below a folder: one group for the seeds of one setting."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ivr.errors import UserError
from ivr.report.reading import read_result
from ivr.training.plain import plain

log = logging.getLogger(__name__)

SETTINGS = ("dataset", "algo", "protocol", "alpha", "num_updates")
"""Facts that every result has, and that tell groups apart."""

_NESTED = ("options", "noise", "subset", "normalize", "split", "online", "evaluation")
_FLAT = ("discount", "batch_size", "reward", "reward_scale", "reward_shift", "precision")
_NO_SETTING = {"evaluation.seed", "online.checkpoint"}


@dataclass(frozen=True)
class Run:
    """One member of a finished run, at the end of its training."""

    seed: int
    score: float
    """Last score: normalised, or the return where there is no reference."""
    place: Path
    """Of its result.json."""
    result: dict[str, Any]
    """The whole of that file, which was checked."""
    member: dict[str, Any]
    """Its part of the file."""

    @property
    def last(self) -> dict[str, Any]:
        """The last evaluation."""
        found: dict[str, Any] = self.member["last"]
        return found

    @property
    def error(self) -> float | None:
        """Last Bellman error; None of an algorithm without a critic."""
        return self.last.get("bellman_error")

    @property
    def best(self) -> float | None:
        """The best score of the training, by which nothing here is compared."""
        best = self.member.get("best")
        return best and _score(best)

    @property
    def normalised(self) -> bool:
        """Whether the score has a reference, so that datasets may be averaged."""
        return self.last["normalized_score"] is not None

    @property
    def successes(self) -> tuple[int, int] | None:
        """Successful episodes, and all of them; None where success is not what is scored."""
        rate, episodes = self.last.get("success_rate"), self.last.get("episodes")
        metric = (self.result.get("evaluation") or {}).get("metric")
        if metric != "success" or rate is None or not episodes or not 0 <= rate <= 1:
            return None
        return round(rate * episodes), episodes

    @property
    def written(self) -> datetime:
        """When the file was written: as it says, or as the file system does."""
        try:
            found = datetime.fromisoformat(self.result["written"])
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            return datetime.fromtimestamp(self.place.stat().st_mtime, UTC)


@dataclass
class SeedGroup:
    """Runs that differ in their seed alone, at one x."""

    settings: tuple[Any, ...]
    """The values of SETTINGS."""
    x: Any
    facts: dict[str, Any]
    """Everything else that was configured, under names such as options.expectile."""
    runs: dict[int, Run] = field(default_factory=dict)
    """By seed, in their order."""

    @property
    def dataset(self) -> str:
        """The name of the data."""
        return str(self.settings[0])

    @property
    def algo(self) -> str:
        """The name of the algorithm."""
        return str(self.settings[1])

    @property
    def alpha(self) -> float | None:
        """The temperature; None of an algorithm that has none."""
        found: float | None = self.settings[SETTINGS.index("alpha")]
        return found

    @property
    def scores(self) -> dict[int, float]:
        """Last score of each seed."""
        return {seed: run.score for seed, run in self.runs.items()}

    @property
    def errors(self) -> dict[int, float]:
        """Last Bellman error of each seed that has one."""
        return {seed: run.error for seed, run in self.runs.items() if run.error is not None}

    @property
    def sources(self) -> set[str]:
        """Where the data come from."""
        return {run.result["dataset_source"] for run in self.runs.values()}

    @property
    def replays(self) -> set[str]:
        """Status of the certificates: does the environment repeat the data?"""
        found = (run.result.get("certificate") or {} for run in self.runs.values())
        return {one.get("status", "not certified") for one in found}

    @property
    def normalised(self) -> bool:
        """Whether all scores have a reference."""
        return all(run.normalised for run in self.runs.values())


@dataclass
class Results:
    """What was found below a folder."""

    groups: list[SeedGroup]
    notes: list[str]
    """What is left out, and why: a line each."""


def read_results(folder: Path, x: str | None = None) -> Results:
    """Read the last scores of the finished runs below `folder`, ordered by settings and x.

    Runs that differ in anything but their seed are never in one group. Of two that differ in
    nothing the one that was written later stands. A file that is damaged is left out, with a note.

    Args:
        folder: of one run, or of many.
        x: the number or word of result.json that the scores are laid out over, such as
            noise.expert_fraction, options.expectile or alpha.

    Raises:
        UserError: no finished run with a score, or one that has no such x.
    """
    groups: list[SeedGroup] = []
    notes: list[str] = []
    twice: dict[tuple[Path, Path], list[str]] = {}
    for path in sorted(folder.rglob("result.json")):
        try:
            result = read_result(path)
        except UserError as error:
            notes.append(f"left out: {error}")
            continue
        if result["status"] != "finished":
            notes.append(f"left out, as it is {result['status']}: {path}")
            continue
        for run in _runs(path, result, notes):
            settings = tuple({**result, **run.member}[name] for name in SETTINGS)
            facts, at = _facts(result), _look_up({**result, **run.member}, x, path)
            group = _group_of(groups, settings, at, facts)
            _keep_latest(group, run, twice)
    notes += [
        f"left out, as the same settings and seed ({', '.join(seeds)}) are there again, written "
        f"later, in {newer}: {older}"
        for (older, newer), seeds in twice.items()
    ]
    if not groups:
        problems = "".join(f"\n  {note}" for note in notes)
        raise UserError(
            f"folder={folder} holds no result.json of a finished run with a score{problems}"
        )
    for group in groups:
        group.runs = dict(sorted(group.runs.items()))
    groups.sort(key=lambda group: (repr(group.settings), _order(group.x), repr(group.facts)))
    return Results(groups, notes)


def _runs(path: Path, result: dict[str, Any], notes: list[str]) -> Iterator[Run]:
    """The members of a result that have a score."""
    if result["members"] and all(member["last"] is None for member in result["members"]):
        notes.append(f"left out, as nothing was evaluated: {path}")
        return
    for member in result["members"]:
        seed, last = member["seed"], member["last"]
        if member.get("diverged"):
            notes.append(f"left out, as seed {seed} diverged: {path}")
        elif last is None or (score := _score(last)) is None:
            notes.append(f"left out, as seed {seed} has no finite score: {path}")
        else:
            yield Run(seed, score, path, result, member)


def _score(record: dict[str, Any]) -> float | None:
    normalised: float | None = record.get("normalized_score")
    found: float | None = record.get("return_mean")
    return found if normalised is None else normalised


def _facts(result: dict[str, Any]) -> dict[str, Any]:
    facts = {
        f"{name}.{key}": value
        for name in _NESTED
        for key, value in (result.get(name) or {}).items()
        if f"{name}.{key}" not in _NO_SETTING
    }
    environment = facts.get("evaluation.environment")
    if isinstance(environment, str):  # the versions of its packages may differ
        facts["evaluation.environment"] = environment.partition(" (")[0]
    facts |= {name: result[name] for name in _FLAT if result.get(name) is not None}
    if result.get("dataset_fingerprint"):
        facts["data"] = result["dataset_fingerprint"]
    return facts


def _group_of(
    groups: list[SeedGroup], settings: tuple[Any, ...], x: Any, facts: dict[str, Any]
) -> SeedGroup:
    """Find the group that a run belongs to, or begin one.

    What only one of two results records is no difference: an earlier version may have written it.
    """
    for group in groups:
        if repr((group.settings, group.x)) == repr((settings, x)) and all(
            group.facts[name] == facts[name] for name in group.facts.keys() & facts.keys()
        ):
            group.facts |= facts
            return group
    groups.append(SeedGroup(settings, x, facts))
    return groups[-1]


def _keep_latest(group: SeedGroup, run: Run, twice: dict[tuple[Path, Path], list[str]]) -> None:
    other = group.runs.get(run.seed)
    if other is not None:
        run, older = (run, other) if run.written >= other.written else (other, run)
        alpha = "" if group.alpha is None else f" (alpha {group.alpha:g})"
        twice.setdefault((older.place, run.place), []).append(f"{run.seed}{alpha}")
    group.runs[run.seed] = run


def _look_up(facts: dict[str, Any], x: str | None, path: Path) -> Any:
    value: Any = facts
    for name in x.split(".") if x else ():
        if not isinstance(value, dict) or name not in value:
            raise UserError(f"x={x}: {path} has no such entry; {name} is not in it")
        value = value[name]
    if x and (isinstance(value, dict | list) or not plain(value)):
        raise UserError(f"x={x}: in {path} that is not one number or word")
    return value if x else None


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, str(value))
