"""The bounds of actions, which the data and the environment must have in common."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivr.agreement.names import called

_ROUNDING = 1e-5
"""What float32 may add to an action, as a part of half the distance between its bounds."""

_RESOLUTION = 1e-6
"""What float32 resolves of a number between -1 and 1, about."""

Bounds = tuple[Sequence[float], Sequence[float]]
"""Least and greatest actions, (A,) each."""


def same_bounds(ours: Bounds, theirs: Bounds) -> bool:
    """Whether two pairs of bounds (low, high) are equal up to the rounding of float32."""
    return all(
        np.shape(one) == np.shape(other) and np.allclose(one, other)
        for one, other in zip(ours, theirs, strict=True)
    )


def unresolved(
    least: NDArray[np.floating], greatest: NDArray[np.floating], low: ArrayLike, high: ArrayLike
) -> NDArray[np.intp]:
    """Find the numbers of an action that bounds are too wide for: scaled, they would not differ.

    Args:
        least: the least of each number in the data (A,); greatest likewise.
        low: the bounds (A,); high likewise.
    """
    spread = greatest - least
    part = spread / (np.asarray(high, float) - np.asarray(low, float))
    return np.flatnonzero((spread > _RESOLUTION) & (part < _RESOLUTION))


def outside_by_number(
    actions: NDArray[np.floating], low: ArrayLike, high: ArrayLike
) -> NDArray[np.int64]:
    """Count for each number the actions (N, A) in which it is outside of its bounds (A,): (A,)."""
    return np.asarray(_beyond(actions, low, high).sum(0))


def outside(actions: NDArray[np.floating], low: ArrayLike, high: ArrayLike) -> NDArray[np.bool_]:
    """Which of the actions (N, A) are outside of the bounds (A,) by more than rounding: (N,)."""
    return np.asarray(_beyond(actions, low, high).any(1))


def outside_in_words(
    action: NDArray[np.floating], low: ArrayLike, high: ArrayLike, names: Sequence[str] = ()
) -> str:
    """Say which number of an action (A,) is outside of the bounds (A,), the first where several."""
    low, high = np.asarray(low), np.asarray(high)
    numbers = np.flatnonzero(_beyond(action, low, high))
    first = numbers[0]
    name = called(names, "action", int(first))
    said = (
        f"{name} is {action[first]:.8g}, outside its bounds {low[first]:.8g} to {high[first]:.8g}"
    )
    return said + (f", as {len(numbers) - 1} more of the action" if len(numbers) > 1 else "")


def _beyond(actions: NDArray[np.floating], low: ArrayLike, high: ArrayLike) -> NDArray[np.bool_]:
    low, high = np.asarray(low), np.asarray(high)
    slack = _ROUNDING * (high - low) / 2
    return np.asarray((actions < low - slack) | (actions > high + slack))
