"""What each way to choose a policy would have chosen, where the truth is known."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from ivr.selection.estimates import Estimate, preferred
from ivr.selection.metrics import Metric, covered, metrics

Score = Callable[[Estimate], float | None]

CRITERIA: dict[str, Score] = {
    "FQE": lambda one: one.value,
    "FQE lower bound": lambda one: one.lower,
    "doubly robust": lambda one: one.doubly_robust,
    "importance": lambda one: one.importance,
    "own Q": lambda one: one.own_value,
    "lowest TD error": lambda one: None if one.own_td_error is None else -one.own_td_error,
    "last checkpoint": lambda one: one.candidate.update,
}
"""The higher, the better; what a policy does not have is None, and then it comes last."""
_HALVES = 1000
VALUES = ("FQE", "doubly robust", "importance", "own Q")
"""Those that say what a policy is worth, and not only which is the better one."""


def judged(
    estimates: Sequence[Estimate], shifted: bool = False
) -> tuple[dict[str, dict[str, Metric]], float | None]:
    """Hold every criterion against the truth; and the share of truths above the lower bounds.

    Args:
        estimates: those whose truth is None are left out.
        shifted: whether the algorithms' own critics were trained on shifted rewards, so that their
            values are no returns.

    Returns:
        Nothing, and None, where fewer than two truths are known.
    """
    known = [one for one in estimates if one.truth is not None]
    if len(known) < 2:
        return {}, None
    truth = np.array([one.truth for one in known], np.float64)
    found = {}
    for name, score in CRITERIA.items():
        scores = np.array([_number(score(one)) for one in known])
        if np.isfinite(scores).any():
            same = name in VALUES and not (shifted and name == "own Q")
            found[name] = metrics(scores, truth, same)
    return found, covered([one.lower for one in known], truth.tolist())


def recommended_bounds_held(estimates: Sequence[Estimate]) -> float | None:
    """The share of recommended policies that are worth their lower bound or more.

    One ranking recommends one policy: here one of each of many random halves of the policies.

    Args:
        estimates: the highest lower bound first; those whose truth is None are left out.
    """
    known = [one for one in estimates if one.truth is not None]
    if len(known) < 2:
        return None
    rng = np.random.default_rng(0)
    held = []
    for _ in range(_HALVES):
        half = np.sort(rng.choice(len(known), len(known) // 2, replace=False))
        best = preferred([known[i] for i in half])
        held.append((best.truth or 0.0) >= best.lower)
    return float(np.mean(held))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
