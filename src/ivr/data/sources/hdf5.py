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


def own_entry(group: Any, place: str) -> Any:
    """Open what is at `place` of an open HDF5 file, or of a group of it, and lies in that file.

    Raises:
        KeyError: there is none.
        UserError: it leads to another file: an external link, external storage, a virtual dataset.
    """
    return _walk(group, place, links=8)


def _walk(group: Any, place: str, links: int) -> Any:
    for name in place.split("/"):
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(group, f"{group.name}/{name}", "an external link")
        if isinstance(link, h5py.SoftLink):
            if links == 0:
                raise KeyError(f"too many links on the way to {place}")
            begin = group.file if link.path.startswith("/") else group
            group = _walk(begin, link.path.strip("/"), links - 1)
        else:
            group = group[name]
    if isinstance(group, h5py.Dataset):
        stored = group.id.get_create_plist()
        if stored.get_layout() == h5py.h5d.VIRTUAL:
            raise _elsewhere(group, group.name, "a virtual dataset")
        if stored.get_external_count():
            raise _elsewhere(group, group.name, "stored in another file")
    return group


def _elsewhere(group: Any, name: str, what: str) -> UserError:
    return UserError(
        f"{group.file.filename}: {name.strip('/')} is {what}, and only what a file holds itself is "
        "read. Copy the arrays into one file, as in target[name] = source[name][()] with h5py."
    )


def claimed_bytes(stored: Iterable[Any]) -> int:
    """Add up what HDF5 datasets take when they are read, each by a whole chunk at least."""
    return sum(
        max(one.size or 0, math.prod(one.chunks or (1,))) * one.dtype.itemsize for one in stored
    )
