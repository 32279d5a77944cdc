"""Measures how coarsely records were rounded, and what that does to a replay of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.environments.replay import Env, Floats, replay

_DRAWS = 4
"""Of what was rounded off."""

FINE = 20
"""Bits of precision from which on rounding is not worth a measurement."""

_CHOSEN = 8
"""Bits of precision below which numbers were chosen from a few, not rounded."""


def rounding(
    env: Env,
    qpos: Floats,
    qvel: Floats,
    actions: NDArray[np.floating],
    observations: NDArray[np.floating] | None = None,
    observe: Callable[[Any], NDArray[np.floating]] = np.asarray,
) -> Floats | None:
    """Measure what the rounding of the records does to each step.

    Every number is moved at random by up to half a unit of the last bit that its column has, a few
    times, and the steps are replayed from there. The arguments are those of `replay`.

    Returns:
        (N, O) the largest difference of what is observed; None where the records are as fine as
        float32.
    """
    parts = [np.asarray(part, np.float64) for part in (qpos, qvel, actions)]
    kept = [bits(part) for part in parts]
    if precision(*parts) >= FINE:
        return None
    random, found = np.random.default_rng(0), []
    straight = replay(env, qpos, qvel, actions, observations, observe)
    for _ in range(_DRAWS):
        before, speed, action = (
            part * (1 + random.uniform(-1, 1, part.shape) * 0.5**each)
            for part, each in zip(parts, kept, strict=True)
        )
        found.append(np.abs(replay(env, before, speed, action, observations, observe) - straight))
    return np.asarray(np.max(found, axis=0))


def precision(*records: NDArray[np.floating]) -> int:
    """Count the bits of precision of the coarsest column of records (N, k)."""
    return min(int(bits(part).min()) for part in records)


def bits(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Count the bits of precision that each column (N, k) is kept in, (k,): 24 for float32's own.

    Numbers that were rounded to fewer bits end in zeros. A column that is chosen from a few values,
    such as a constant, is as exact as any.
    """
    mantissa = np.asarray(values, np.float32).view(np.uint32) & np.uint32(0x7FFFFF)
    together = np.bitwise_or.reduce(mantissa, axis=0).astype(np.int64)
    lowest = together & -together
    kept = 24 - np.log2(np.maximum(lowest, 1)).astype(np.int64)
    return np.where((together == 0) | (kept < _CHOSEN), 24, kept)
