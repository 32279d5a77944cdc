"""Finds the row that each next observation was observed in."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.columns import Column

_OFFSETS = {0: "of the rows themselves", 2: "of the second row on"}


def unlike_next(columns: Mapping[str, Column]) -> NDArray[np.bool_]:
    """Mark rows whose next observation is not the following row's observation: (rows,)."""
    return _differs(columns, 1)


def shifted(columns: Mapping[str, Column], rows: NDArray[np.int64]) -> str | None:
    """Describe the rows that most next observations of `rows` are of; None if not shifted."""
    for offset, words in _OFFSETS.items():
        if 2 * (~_differs(columns, offset)[rows]).sum() > len(rows):
            return words
    return None


def _differs(columns: Mapping[str, Column], offset: int) -> NDArray[np.bool_]:
    """Mark the rows whose next observation is not the observation `offset` rows later.

    Past the end only the row that follows a last one counts as equal: it is not known to differ.
    """
    ours, theirs = columns["next_observations"], columns["observations"]
    differs = np.full(ours.rows, offset != 1)
    for start in range(0, ours.rows - offset, ours.block):
        stop = min(start + ours.block, ours.rows - offset)
        # In the precision that is kept. What is not finite is reported later, with its place.
        with np.errstate(over="ignore"):
            here = ours.read(start, stop).astype(np.float32)
            there = theirs.read(start + offset, stop + offset).astype(np.float32)
        unequal = (here != there) & np.isfinite(here) & np.isfinite(there)
        differs[start:stop] = unequal.any(1)
    return differs
