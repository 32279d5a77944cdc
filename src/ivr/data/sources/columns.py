"""Checks columns of numbers, one row for each transition, and reads them in blocks of rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError

_BLOCK = 1 << 20
"""Numbers of a column that are in memory at a time."""

AXES = {
    "observations": 2, "actions": 2, "rewards": 1, "terminals": 1,
    "next_observations": 2, "timeouts": 1,
}  # fmt: skip
"""D4RL's columns, whose names every reader of rows uses; the last two may be missing."""

QPOS, QVEL = "infos/qpos", "infos/qvel"
"""What D4RL and Minari call MuJoCo's positions and velocities."""


class Column:
    """Reads a column (rows,) or (rows, width) from its first row to its last.

    Asked for one short episode after the other, HDF5 would unpack the same compressed chunk again
    and again.
    """

    def __init__(self, path: Path, name: str, stored: Any, axes: int) -> None:
        """Wrap `stored`, anything with a shape, a dtype and slices, which `path` calls `name`.

        With one of the `axes` 1 and 2 the shapes (rows,) and (rows, 1) are the same.
        """
        shape = tuple(stored.shape)
        if len(shape) == 3 - axes and shape[1:] in ((), (1,)):
            shape = (shape[0], *[1] * (axes - 1))
        self.name, self.shape, self.dtype = name, shape, stored.dtype
        self.rows: int = self.shape[0] if self.shape else 0
        self.width = int(np.prod(self.shape[1:]))
        self.block = max(1, _BLOCK // max(1, self.width))
        """Rows that are read at once."""
        self._path, self._stored = path, stored
        self._first, self._block = 0, np.empty((0, *self.shape[1:]), self.dtype)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read the rows start..stop-1.

        Raises:
            UserError: the file is damaged there.
        """
        if start < self._first or stop > self._first + len(self._block):
            end = max(stop, start + self.block)
            try:
                self._block = self._stored[start:end].reshape(-1, *self.shape[1:])
            except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
                raise UserError(
                    f"{self._path}: {self.name} cannot be read from row {start}: {error}. The "
                    "file is damaged: fetch it anew."
                ) from error
            self._first = start
        return self._block[start - self._first : stop - self._first]


def check_columns(path: Path, columns: Mapping[str, Column]) -> None:
    """Raise a UserError where the columns differ in rows, or hold something else than numbers."""
    rows = columns["rewards"].rows
    for key, column in columns.items():
        axes = AXES[key]
        fits = len(column.shape) == axes and column.rows == rows > 0
        if not fits or 0 in column.shape or column.dtype.kind not in "fiub":
            raise UserError(
                f"{path}: {column.name} has shape {column.shape} of {column.dtype}; with {rows} "
                f"rewards it should be numbers of shape ({rows}{', n' * (axes - 1)}), n and rows "
                "at least 1."
            )
    if "next_observations" in columns:
        ours, theirs = columns["observations"], columns["next_observations"]
        if ours.shape != theirs.shape:
            raise UserError(
                f"{path}: {ours.name} have shape {ours.shape} and {theirs.name} {theirs.shape}; "
                "they must be equal."
            )
