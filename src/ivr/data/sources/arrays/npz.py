"""Reads arrays of numbers out of .npz files."""

import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.limits import check_claim
from ivr.errors import UserError, printable

_NAMES = {"observations": "observation_names", "actions": "action_names"}
"""Arrays of texts that name the numbers of others."""


class NpzFile:
    """Reads arrays by their names; any other is not read at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "NpzFile":
        """Check the archive.

        Raises:
            UserError: it is damaged, or no .npz.
        """
        try:
            if not zipfile.is_zipfile(self._path):
                raise zipfile.BadZipFile("it is no archive, or cut short")
            with zipfile.ZipFile(self._path) as archive:
                entries = archive.infolist()
                # numpy writes these two; of others the header says how much memory unpacking takes.
                if not {one.compress_type for one in entries} <= {
                    zipfile.ZIP_STORED,
                    zipfile.ZIP_DEFLATED,
                }:
                    raise zipfile.BadZipFile("it is packed by another method than deflate")
                for one in entries:  # compares its two names, which no checksum covers
                    archive.open(one).close()
        except Exception as error:  # zipfile raises a dozen kinds
            raise self._unreadable("the file", error) from error
        self._sizes = {one.filename.removesuffix(".npy"): one.file_size for one in entries}
        self.names = [name for name in self._sizes if name not in _NAMES.values()]
        self.unindexed = self.names
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def usual(self, wanted: Sequence[str]) -> dict[str, list[str]]:
        """Find the arrays that have the names of `wanted`."""
        return {name: [name] for name in wanted if name in self.names}

    def names_of(self, array: str, width: int) -> tuple[str, ...]:
        """Read the names that the file itself gives the numbers of an array; () where none.

        Raises:
            UserError: they are no texts, or not one for each number.
        """
        key = _NAMES[array]
        if key not in self._sizes:
            return ()
        names = self._load([key])[key]
        if names.dtype.kind not in "US" or names.shape != (width,):
            raise UserError(
                f"{self._path}: {key} has shape {names.shape} of {names.dtype}; it should be "
                f"({width},) of texts, a name for each number of {array}."
            )
        return tuple(printable(str(name)) for name in names.astype(str))

    def read(self, places: Mapping[str, Sequence[str]]) -> dict[str, list[NDArray[Any]]]:
        """Read the arrays of each place.

        Raises:
            UserError: one cannot be read.
        """
        used = dict.fromkeys(name for own in places.values() for name in own)
        arrays = self._load(used)
        return {array: [arrays[name] for name in own] for array, own in places.items()}

    def _load(self, used: Collection[str]) -> dict[str, NDArray[Any]]:
        check_claim(self._path, sum(self._sizes[name] for name in used))
        name = "the file"
        try:
            # Objects are pickled, and to load a pickle is to run it.
            with np.load(self._path, allow_pickle=False) as file:
                arrays = {}
                for name in used:
                    arrays[name] = file[name]
                    if arrays[name].dtype.kind == "V":
                        raise TypeError("it has fields")
        except Exception as error:  # zlib and numpy's parser of headers raise a dozen kinds
            raise self._unreadable(name, error) from error
        return arrays

    def _unreadable(self, name: str, error: Exception) -> UserError:
        return UserError(
            f"{self._path}: {name} cannot be read ({error}). The file must be one of np.savez or "
            "np.savez_compressed, whole, with arrays of numbers only (no objects, no lists of "
            "different lengths)."
        )
