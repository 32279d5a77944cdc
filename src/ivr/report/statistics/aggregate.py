"""Compares algorithms over datasets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivr.errors import counted
from ivr.report.gathering.groups import SeedGroup
from ivr.report.output.tables import Estimate
from ivr.report.statistics.intervals import (
    Floats,
    bootstrap,
    iqm_of_strata,
    mean_of_strata,
    probability_of_improvement,
)


@dataclass(frozen=True)
class Scores:
    """Normalised last scores of every variant on the same datasets."""

    datasets: list[str]
    runs: dict[str, list[Floats]]
    """By variant: an array of scores for each dataset."""
    left_out: dict[str, list[str]]
    """Variants that lack some of the datasets, and which."""

    def seeds(self) -> str:
        """How many seeds a variant has on a dataset, in words."""
        counts = {len(x) for strata in self.runs.values() for x in strata}
        low, high = min(counts), max(counts)
        return counted(high, "seed") if low == high else f"{low} to {high} seeds"


def scores_of(groups: Sequence[SeedGroup], names: Sequence[str]) -> Scores:
    """Gather the normalised scores of every variant over the datasets that have any."""
    table: dict[str, dict[str, Floats]] = {}
    for group, name in zip(groups, names, strict=True):
        if group.normalised:
            table.setdefault(name, {})[group.dataset] = np.array(list(group.scores.values()))
    datasets = sorted({dataset for row in table.values() for dataset in row})
    missing = {name: [d for d in datasets if d not in row] for name, row in table.items()}
    runs = {n: [row[d] for d in datasets] for n, row in table.items() if not missing[n]}
    return Scores(datasets, runs, {name: lacks for name, lacks in missing.items() if lacks})


def estimate(strata: Sequence[Floats], kind: str, form: str = ".1f") -> Estimate:
    """Compute a mean, iqm or probability of improvement, with its interval."""
    statistic = {
        "mean": mean_of_strata,
        "iqm": iqm_of_strata,
        "improvement": probability_of_improvement,
    }[kind]
    found = bootstrap(strata, statistic)
    interval = None if found is None else (float(found[0]), float(found[1]))
    return Estimate(float(statistic(*strata, axis=0)), interval, form)


def improvement(scores: Scores, x: str, y: str) -> Estimate:
    """Compute the probability that a run of x scores higher than one of y."""
    return estimate([*scores.runs[x], *scores.runs[y]], "improvement", ".2f")


def profile(strata: Sequence[Floats], thresholds: Floats) -> tuple[Floats, Floats, Floats]:
    """Compute the share of runs above each threshold, averaged over datasets, and its interval.

    The performance profile of Agarwal et al. (2021), section 4.2.

    Returns:
        share, low and high, each of the thresholds' shape; the share thrice where there is no
        interval.
    """
    above = [(runs[:, None] > thresholds).astype(np.float64) for runs in strata]
    share = mean_of_strata(*above, axis=0)
    low, high = bootstrap(above, mean_of_strata) or (share, share)
    return share, low, high
