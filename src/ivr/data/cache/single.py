"""Finds numbers that single precision, in which data are kept, cannot tell apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import called

_ROUNDING = 2.0**-40
"""Of this size and less, differences are those of arithmetic, as between 0.3 and 0.1 + 0.2."""
_STEPS = 64
"""As many values of a number, at least, must be different in single precision."""


class Seen:
    """The least and greatest of each number of the observations, before they become float32."""

    def __init__(self) -> None:
        self.least: NDArray[np.float64] | None = None
        self.greatest: NDArray[np.float64] | None = None

    def see(self, parts: Sequence[NDArray[Any]]) -> None:
        """Look at the entries (T, n) of an episode."""
        if all(part.dtype == np.float32 for part in parts):
            return  # nothing is lost
        ends = [
            np.concatenate([end(part, axis=0) for part in parts], dtype=np.float64)
            for end in (np.min, np.max)
        ]
        self.least = ends[0] if self.least is None else np.minimum(self.least, ends[0])
        self.greatest = ends[1] if self.greatest is None else np.maximum(self.greatest, ends[1])

    def blurred(self, names: Sequence[str]) -> list[str]:
        """Name the numbers of which float32 keeps fewer than _STEPS different ones."""
        if self.least is None or self.greatest is None:
            return []
        size = np.maximum(np.abs(self.least), np.abs(self.greatest))
        spread = self.greatest - self.least
        kept = np.finfo(np.float32).eps * size * _STEPS
        return [
            f"{called(names, 'observation', int(i))} lies between {self.least[i]:.12g} and "
            f"{self.greatest[i]:.12g}, which single precision can hardly tell apart: subtract "
            f"{self.least[i]:.12g} in the data"
            for i in np.flatnonzero((spread > _ROUNDING * size) & (spread < kept))
        ]
