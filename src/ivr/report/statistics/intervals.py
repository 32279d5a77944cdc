"""Means over runs, with intervals by the stratified bootstrap of Agarwal et al. (NeurIPS 2021).

Strata are datasets: runs are drawn anew within each, so that a mean over datasets keeps all of
them. SciPy draws; percentiles of the draws are the interval. With few runs it is too narrow:
docs/report.md says by how much.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Statistic = Callable[..., Any]

CONFIDENCE = 0.95
RESAMPLES = 2000


def iqm(values: Any, axis: int | None = None) -> Any:
    """Compute the mean of the middle half: a quarter of the values is cut off at each end.

    Of three values or fewer nothing is cut off, and it is the mean.
    """
    return stats.trim_mean(values, 0.25, axis=axis)


def mean_of_strata(*strata: Any, axis: int = -1) -> Any:
    """Compute the mean over strata of each one's mean."""
    return np.mean([np.mean(stratum, axis=axis) for stratum in strata], axis=0)


def iqm_of_strata(*strata: Any, axis: int = -1) -> Any:
    """Compute the interquartile mean of all runs of all strata."""
    return iqm(np.concatenate(strata, axis=axis), axis)


def probability_of_improvement(*strata: Any, axis: int = -1) -> Any:
    """Compute P(X > Y) of a run of each algorithm on the same data, averaged over datasets.

    The first half of the strata are X's, the second Y's, on the same datasets; a tie counts half
    (Agarwal et al., 2021, section 4.3: the statistic of Mann and Whitney over the pairs).
    """
    half = len(strata) // 2
    found = []
    for x, y in zip(strata[:half], strata[half:], strict=True):
        ours, theirs = (
            np.moveaxis(x, axis, -1)[..., :, None],
            np.moveaxis(y, axis, -1)[..., None, :],
        )
        found.append(((ours > theirs) + 0.5 * (ours == theirs)).mean((-2, -1)))
    return np.mean(found, axis=0)


def bootstrap(
    strata: Sequence[Any], statistic: Statistic, resamples: int = RESAMPLES
) -> tuple[Floats, Floats] | None:
    """Compute the percentile interval of a statistic.

    Args:
        strata: arrays (runs, ...), each of its own number of runs.
        statistic: of arrays like them and an `axis`, such as `iqm_of_strata`.
        resamples: draws.

    Returns:
        low and high, of the statistic's shape; None where a stratum has one run only, which says
        nothing of how runs differ.
    """
    arrays = [np.asarray(stratum, np.float64) for stratum in strata]
    if min(map(len, arrays)) < 2:
        return None
    found = stats.bootstrap(
        arrays,
        statistic,
        axis=0,
        vectorized=True,
        paired=False,
        n_resamples=resamples,
        batch=100,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = found.confidence_interval
    return np.asarray(low), np.asarray(high)
