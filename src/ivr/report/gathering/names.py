"""Names groups by what tells them apart, and no more."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ivr.report.gathering.groups import SETTINGS, SeedGroup, alike

_BETWEEN_ALGORITHMS = ("protocol", "num_updates")
"""Settings in which two algorithms on the same data are expected to agree."""


def variants(groups: Sequence[SeedGroup]) -> list[str]:
    """Name each group by its algorithm, and by what differs between groups of the same one.

    Where each algorithm has one alpha of its own, its name says as much.
    """
    everything = [_everything(group) for group in groups]
    order = ["alpha", "num_updates", "protocol"]
    order += [name for facts in everything for name in facts if name not in SETTINGS]
    order = sorted(dict.fromkeys(order), key=lambda name: name == "data")
    shown: dict[str, list[str]] = {group.algo: [] for group in groups}
    for name in order:
        together: defaultdict[str, dict[str, set[str]]] = defaultdict(dict)
        for group, facts in zip(groups, everything, strict=True):
            same = [alike(facts.get(other)) for other in shown[group.algo]]
            place = repr((group.dataset, alike(group.x)))
            # Ways online are compared at equal steps, whatever their numbers of updates.
            if name not in _BETWEEN_ALGORITHMS or "online.num_steps" in facts:
                place = repr((place, group.algo, same))
            together[place].setdefault(repr(alike(facts.get(name))), set()).add(group.algo)
        for values in together.values():
            if len(values) > 1:
                for algo in set.union(*values.values()):
                    shown[algo] += [] if name in shown[algo] else [name]
    return [
        " ".join([group.algo, *(_said(name, facts.get(name)) for name in shown[group.algo])])
        for group, facts in zip(groups, everything, strict=True)
    ]


def group_names(groups: Sequence[SeedGroup]) -> list[str]:
    """Name each group as `variants` does, after its dataset where there are several."""
    several = len({group.dataset for group in groups}) > 1
    return [
        f"{group.dataset} {name}" if several else name
        for group, name in zip(groups, variants(groups), strict=True)
    ]


def _everything(group: SeedGroup) -> dict[str, Any]:
    return dict(zip(SETTINGS, group.settings, strict=True)) | group.facts


def _said(name: str, value: Any) -> str:
    if name == "protocol":
        return str(value)
    short = str(value)[:8] if name == "data" else str("–" if value is None else value)
    return f"{name.removeprefix('options.').removeprefix('evaluation.')} {short}"
