"""How well estimates choose where the truth is known, after DOPE (Fu et al., ICLR 2021)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOP = (1, 3, 5)
_RESAMPLES = 1000


@dataclass(frozen=True)
class Metric:
    """A number with its 5 % and 95 % ends over a bootstrap of the policies."""

    value: float
    lower: float
    upper: float


def metrics(estimates: Floats, truth: Floats, same_units: bool = True) -> dict[str, Metric]:
    """Hold estimates (P,) of P policies against their truth (P,).

    Policies without an estimate (NaN) are left out of the correlation and the error, and rank last.
    Equal estimates are in random order, which the numbers are a mean over.

    Args:
        estimates: the higher, the better.
        truth: discounted returns.
        same_units: whether an absolute error means something.

    Returns:
        "spearman"; "regret@k" for k of TOP, what the best of the k that look best falls short of
        the best of all, as a share of the range of the truths; and "absolute error".
    """
    measures: dict[str, Callable[[Floats, Floats], float]] = {"spearman": spearman}
    for k in TOP:
        measures[f"regret@{k}"] = lambda e, t, k=k: regret(e, t, k)  # type: ignore[misc]
    if same_units:
        measures["absolute error"] = lambda e, t: float(np.nanmean(np.abs(e - t)))
    rng = np.random.default_rng(0)
    draws = rng.integers(len(truth), size=(_RESAMPLES, len(truth)))
    found = {}
    for name, measure in measures.items():
        sampled = [measure(estimates[index], truth[index]) for index in draws]
        finite = [value for value in sampled if np.isfinite(value)] or [np.nan]
        low, high = np.percentile(finite, (5, 95))
        found[name] = Metric(measure(estimates, truth), float(low), float(high))
    return found


def spearman(estimates: Floats, truth: Floats) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one is constant."""
    known = np.isfinite(estimates)
    if known.sum() < 2:
        return float("nan")
    a, b = ranks(estimates[known]), ranks(truth[known])
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def regret(estimates: Floats, truth: Floats, k: int) -> float:
    """(max truth - max truth among the k highest estimates) / (max truth - min truth).

    0 where all truths are equal. Equal estimates are in random order: the mean over that.
    """
    span = truth.max() - truth.min()
    if span == 0:
        return 0.0
    scores = np.where(np.isfinite(estimates), estimates, -np.inf)
    edge = np.sort(scores)[::-1][min(k, len(scores)) - 1]
    above = truth[scores > edge].max(initial=-np.inf)
    tied = np.sort(truth[scores == edge])
    taken = min(k, len(scores)) - int((scores > edge).sum())
    # The i-th of those at the edge is the best of the ones taken in C(i, taken - 1) of all cases.
    cases = [math.comb(i, taken - 1) for i in range(len(tied))]
    best = np.average(np.maximum(tied, above), weights=cases)
    return float((truth.max() - best) / span)


def ranks(values: Floats) -> Floats:
    """Ranks from 0, equal values at the mean of theirs, (P,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return np.asarray((last - (counts + 1) / 2)[inverse], np.float64)


def covered(lower: Sequence[float], truth: Sequence[float]) -> float:
    """The share of policies whose truth is not below their lower bound."""
    return float(np.mean(np.asarray(truth) >= np.asarray(lower)))
