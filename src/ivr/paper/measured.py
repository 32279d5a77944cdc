"""What finished runs measured, laid out as the deck asks for it: one cell for a setting's seeds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ivr.paper.deck import DATASETS, PARTS, noise_of
from ivr.report.gathering.curves import Curves
from ivr.report.gathering.groups import SeedGroup
from ivr.report.online import online_members
from ivr.report.paper import comparable, selects
from ivr.report.statistics.intervals import Floats
from ivr.training.plain import finite

_EVALUATED = {
    f"evaluation.{key}" for key in ("environment", "env_kwargs", "max_episode_steps", "metric",
                                    "reference", "goal")
}  # fmt: skip
"""Facts of an evaluation that all methods of a comparison must share."""

_WEIGHTS = ("weight/mean", "actor_weight/mean", "weight/sparsity", "actor_weight/sparsity")


class Place(NamedTuple):
    """Where a cell stands."""

    part: str
    """Of PARTS."""
    of_paper: bool
    """Whether its scores may stand beside the paper's."""
    stratum: str
    """The dataset; of noisy data the mixture, as in hopper-expert + random."""
    at: float | None
    """The share of experts of noisy data, the share that is kept of small data."""
    algo: str


@dataclass(frozen=True, eq=False)
class Cell:
    """The seeds of one setting."""

    place: Place
    group: SeedGroup
    values: dict[str, Floats]
    """By quantity, (seeds,): score; error, mean_weight, sparsity, regret, dip where measured."""

    @property
    def updates(self) -> int:
        """How long it trained."""
        return _updates(self.group)

    @property
    def task(self) -> dict[str, object]:
        """What must be the same of all methods in a comparison: their data and their evaluation."""
        result: dict[str, Any] = next(iter(self.group.runs.values())).result
        found = {key: value for key, value in self.group.facts.items() if key in _EVALUATED}
        for key in ("noise", "subset"):
            found[key] = (result.get(key) or {}).get("name")
        if "transitions" in result:
            found["transitions"] = result["transitions"]
        if not self.place.of_paper:  # whose data are one file each, wherever they lie
            found["source"] = _without_folders(result["dataset_source"])
        return found


class Measured(NamedTuple):
    """All cells, and what was left out."""

    cells: dict[Place, Cell]
    notes: list[str]


def measured(groups: Sequence[SeedGroup], folder: Path) -> Measured:
    """Find the cell of each group.

    Of several settings of a method in one place the longest training counts; of several that are
    equally long none does, for choosing one by its score would be choosing by luck.

    Args:
        groups: of finished runs, as `read_results` gathers them.
        folder: that they were gathered below.
    """
    found: dict[Place, list[SeedGroup]] = {}
    notes = []
    for group in groups:
        place = _place(group, folder)
        lengths = {run.updates for run in group.runs.values()}
        if not group.normalised:
            notes.append(f"{_named(place)}: its score has no reference, so it is in no average")
        elif any(map(selects, group.results)):
            notes.append(
                f"{_named(place)}: successive halving chose its last seeds by their scores, so "
                "they are not used"
            )
        elif len(lengths) > 1 and place.part != "online":
            notes.append(
                f"{_named(place)}: its seeds were trained for {min(lengths):,} to "
                f"{max(lengths):,} updates, so none is used"
            )
        else:
            found.setdefault(place, []).append(group)
    curves, cells = Curves(_WEIGHTS), {}
    for place, several in found.items():
        longest = max(map(_updates, several))
        longer = [group for group in several if _updates(group) == longest]
        if len(longer) > 1:
            notes.append(f"{_named(place)}: {len(longer)} settings of it were run, so none is used")
            continue
        if len(several) > 1:
            notes.append(f"{_named(place)}: of {len(several)} settings the longest is used")
        others = [(group.algo, group) for group in groups if group.dataset == longer[0].dataset]
        cells[place] = Cell(place, longer[0], _values(longer[0], others, curves))
    return Measured(cells, notes)


def _place(group: SeedGroup, folder: Path) -> Place:
    result: dict[str, Any] = next(iter(group.runs.values())).result
    noise, subset = result.get("noise") or {}, result.get("subset") or {}
    part, stratum = _part(group, result, folder), group.dataset
    of_paper = comparable(group, mixed=part in ("noisy", "small"))
    at: Any = None
    if part == "noisy":
        at = noise.get("expert_fraction")
        said = (noise.get("source"), noise.get("id"), noise.get("noise_source"))
        stratum += f" + {noise_of(next((str(text) for text in said if text), ''))}"
    elif part == "small":
        at = subset.get("keep")
    return Place(part, of_paper, stratum, float(at) if finite(at) else None, group.algo)


def _part(group: SeedGroup, result: dict[str, Any], folder: Path) -> str:
    """The part of the deck that a run belongs to: its folder's, else by what was done to its data.

    A dataset of the results table may be a mixture too, where it is put together from others.
    """
    places = [run.place.relative_to(folder) for run in group.runs.values()]
    folders = {name for place in places for name in place.parts[:-1]}
    named = [part for part in PARTS if part in folders]
    if len(named) == 1:
        return named[0]
    if result.get("online"):
        return "online"
    if "expert_fraction" in (result.get("noise") or {}):
        return "table" if group.dataset.removesuffix(" (as is)") in DATASETS else "noisy"
    return "small" if "keep" in (result.get("subset") or {}) else "table"


def _updates(group: SeedGroup) -> int:
    return min(run.updates for run in group.runs.values())


def _without_folders(source: str) -> str:
    """Where data come from, without the folders that they lie in, which differ between machines."""
    return re.sub(r"[^\s,;()]*[/\\]", "", source)


def _named(place: Place) -> str:
    at = "" if place.at is None else f" at {place.at:g}"
    return f"{place.algo} on {place.stratum}{at}"


def _values(
    group: SeedGroup, others: list[tuple[str, SeedGroup]], curves: Curves
) -> dict[str, Floats]:
    found: dict[str, list[float]] = {
        "score": list(group.scores.values()),
        "error": list(group.errors.values()),
    }
    for name in ("mean", "sparsity"):
        # Of the family of SQL and EQL the ratio to the data's policy, of the others what imitates.
        series = curves.of(group, f"weight/{name}") or curves.of(group, f"actor_weight/{name}")
        found["mean_weight" if name == "mean" else name] = [one[max(one)] for one in series]
    exact = {member.run.seed: member for member in online_members(group, others)}
    for name, key in (("regret", "regret"), ("dip", "worst_dip")):
        records = ((s, run.member.get("online") or {}) for s, run in group.runs.items())
        found[name] = [
            value
            for seed, record in records
            if (value := getattr(exact[seed], key) if seed in exact else record.get(key))
            is not None
        ]
    return {name: np.array(values, np.float64) for name, values in found.items() if values}
