"""Results with the names and looks of their variants, which every part of a report shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivr.report.gathering.groups import SeedGroup
from ivr.report.gathering.names import variants
from ivr.report.gathering.results import Results
from ivr.report.output.style import Look, looks
from ivr.report.paper import SCORES, comparable
from ivr.report.statistics.intervals import Floats

WHOLE = (None, "algo", "dataset")
"""Values of x at which algorithms are compared over datasets."""


@dataclass(frozen=True)
class Named:
    """Results with the names and looks of their variants."""

    folder: Path
    results: Results
    x: str | None
    names: list[str]
    """Of each group."""
    look: dict[str, Look]

    @property
    def groups(self) -> list[SeedGroup]:
        """The groups, in the order of their names."""
        return self.results.groups

    @property
    def laid_out(self) -> str | None:
        """The option that tables have a column for: x, where no other column is the same."""
        return None if self.x in WHOLE else self.x

    @property
    def pairs(self) -> list[tuple[str, SeedGroup]]:
        """Each group with its name."""
        return list(zip(self.names, self.groups, strict=True))

    @property
    def datasets(self) -> list[str]:
        """Names of the data."""
        return list(dict.fromkeys(group.dataset for group in self.groups))

    def on(self, dataset: str) -> list[tuple[str, SeedGroup]]:
        """The groups of one dataset, with their names."""
        return [(name, group) for name, group in self.pairs if group.dataset == dataset]


def named(folder: Path, results: Results, x: str | None = None, algos: Sequence[str] = ()) -> Named:
    """Name all groups, and give each variant one look.

    Args:
        folder: of the runs.
        results: found there.
        x: the option that they are laid out over.
        algos: those of the whole report, where these results are a part of it.
    """
    names = variants(results.groups)
    pairs = [(group.algo, name) for group, name in zip(results.groups, names, strict=True)]
    order = algos or sorted({algo for algo, _ in pairs})
    return Named(folder, results, x, names, looks(pairs, order))


def array(group: SeedGroup) -> Floats:
    """The last scores of a group, (seeds,)."""
    return np.array(list(group.scores.values()), np.float64)


def unit(here: Sequence[tuple[str, SeedGroup]]) -> str:
    """What the scores of some groups are."""
    metrics = {
        (run.result.get("evaluation") or {}).get("metric")
        for _, group in here
        for run in group.runs.values()
    }
    if not all(group.normalised for _, group in here):
        return "mean return of an episode"
    return "success rate (%)" if metrics == {"success"} else "normalised score"


def paper(group: SeedGroup) -> str | None:
    """The paper's score of the same dataset and algorithm, where the two may be compared."""
    found = SCORES.get((group.dataset, group.algo))
    return found if comparable(group) else None
