"""Opens HDF5 files, and of these only what lies in the file itself."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py

from ivr.data.sources.limits import check_regular
from ivr.errors import UserError


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file to read.

    Raises:
        OSError: it is none, or damaged.
        UserError: it is no plain file.
    """
    check_regular(path)
    return h5py.File(path, "r")


def own_entry(file: Any, place: str) -> Any:
    """Open the group or dataset at `place` of an open HDF5 file, whose data lie in that file.

    Raises:
        KeyError: there is none.
        UserError: it leads to another file: an external link, external storage, a virtual dataset.
    """
    return _walk(file, file, place, place, links=8)


def _walk(file: Any, group: Any, names: str, place: str, links: int) -> Any:
    for name in names.split("/"):
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(file, place, "an external link")
        if isinstance(link, h5py.SoftLink):
            if links == 0:
                raise KeyError(f"too many links on the way to {place}")
            begin = file if link.path.startswith("/") else group
            group = _walk(file, begin, link.path.strip("/"), place, links - 1)
        else:
            group = group[name]
    if isinstance(group, h5py.Dataset) and (group.external or group.is_virtual):
        what = "a virtual dataset" if group.is_virtual else "stored in another file"
        raise _elsewhere(file, place, what)
    return group


def _elsewhere(file: Any, place: str, what: str) -> UserError:
    return UserError(
        f"{file.filename}: {place} is {what}, and only what a file holds itself is read. Copy the "
        "arrays into one file, as in target[name] = source[name][()] with h5py."
    )


def claimed_bytes(stored: Iterable[Any]) -> int:
    """Add up what HDF5 datasets take when they are read, each by a whole chunk at least."""
    return sum(
        max(one.size or 0, math.prod(one.chunks or (1,))) * one.dtype.itemsize for one in stored
    )
