"""Writes HDF5 files so that a full disk is an error of Python's."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class Disk(io.FileIO):
    """A file that keeps the first error to itself, and writes nothing from then on.

    HDF5 cannot bear a write that fails: it tries again when the file is closed, and ends the
    process with a segmentation fault where that fails too.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._error: BaseException | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, or pretend to."""
        rest = memoryview(data)
        try:
            while len(rest) and self._error is None:
                rest = rest[super().write(rest) :]
        except BaseException as error:  # Ctrl-C too: HDF5 would take it for a failed write
            self._error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or pretend to."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def check(self) -> None:
        """Raise the error that was kept, if there is one."""
        if self._error is not None:
            raise self._error


@contextmanager
def new_hdf5(path: Path) -> Iterator[tuple[h5py.File, Disk]]:
    """Open a new HDF5 file, and close it at the end of the block.

    Raises:
        OSError: the disk is full or fails; `Disk.check` raises it earlier.
    """
    with Disk(path) as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file, disk
        finally:
            disk.check()
