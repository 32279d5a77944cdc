"""Finds a user's own files of transitions and reads what they hold of the wanted columns.

Any other column is not read at all.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import Names, name_each
from ivr.data.sources.arrays.mapping import ColumnMap
from ivr.data.sources.arrays.npz import NpzFile
from ivr.data.sources.arrays.order import USUAL, out_of_order
from ivr.data.sources.arrays.tables import TableFile
from ivr.data.sources.limits import check_regular
from ivr.data.sources.names import meant
from ivr.errors import UserError

COLUMNS = (
    "observations", "actions", "rewards", "next_observations", "terminated", "truncated", "episode",
)  # fmt: skip

Arrays = dict[str, NDArray[Any]]

_MARKS = ("terminated", "truncated", "episode")

_KINDS = (".npz", ".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")


USUAL_NAMES = ColumnMap()


class Table(NamedTuple):
    """What was read of a file."""

    arrays: Arrays
    names: Names
    others: list[str]
    """Columns that are not used."""
    notes: list[str]
    """What is worth knowing about them, in sentences."""


_OF_TIME = re.compile(r"time|date|zeit|datum", re.IGNORECASE)
"""What the name of a column of dates may hold."""


def find_arrays(path: str | Path | Sequence[str] | None) -> list[Path]:
    """List the files that `path` names: .npz, .parquet, .csv, a folder of one kind, or several.

    Those of a folder come in the order of their names, also those of its partitions (run=1, run=2).

    Raises:
        UserError: nothing of the kind is there.
    """
    if not path:
        raise UserError(
            f"dataset.path={path} names no data: give dataset.path=log.npz, a .parquet or .csv "
            "file, or a folder of such files."
        )
    given = [path] if isinstance(path, str | Path) else path
    return [file for one in given for file in _files(Path(one).expanduser())]


def _files(path: Path) -> list[Path]:
    check_regular(path)
    if path.is_file():
        if kind_of(path) is None:
            raise UserError(f"dataset.path={path}: give a file that ends in {', '.join(_KINDS)}.")
        return [path]
    if not path.is_dir():
        raise UserError(f"dataset.path={path} does not exist.")
    found = {file: kind for file in _inside(path) if (kind := kind_of(file)) is not None}
    kinds = sorted(set(found.values()))
    if len(kinds) != 1:
        raise UserError(
            f"dataset.path={path} is a folder with {' and '.join(kinds) or 'no'} files. Give one "
            f"with files of one kind, {', '.join(_KINDS)}."
        )
    return list(found)


def kind_of(path: Path) -> str | None:
    """Tell the kind of a file by how its name ends, in capitals or not; None for any other."""
    ends = path.name.lower().endswith
    return next((kind.removesuffix(".gz") for kind in _KINDS if ends(kind)), None)


def _inside(folder: Path) -> Iterator[Path]:
    """List the files of a folder and of its partitions, the folders that are called key=value."""
    for entry in sorted(folder.iterdir()):
        if "=" in entry.name and entry.is_dir():
            yield from _inside(entry)
        elif entry.is_file():
            yield entry


def read_arrays(path: Path, columns: ColumnMap = USUAL_NAMES) -> Table:
    """Read the arrays that `columns` names, and of the others those with a usual name.

    Raises:
        UserError: it cannot be read, holds something else than numbers, or lacks what is needed.
    """
    folders = (part.partition("=") for part in path.parent.parts)
    partitions = {name for name, sign, _ in folders if sign}
    with (NpzFile if kind_of(path) == ".npz" else TableFile)(path) as file:
        places = columns.find(path.name, file.names, partitions, file.unindexed)
        mapped = [name for name in ("observations", "actions") if name in places]
        places |= columns.with_usual(file.usual(COLUMNS))
        read = file.read({array: own for array, own in places.items() if own})
        names = {
            name: _names(places[name], parts)
            if name in mapped
            else file.names_of(name, int(np.prod(parts[0].shape[1:])))
            for name, parts in read.items()
            if name in ("observations", "actions")
        }
        arrays = {
            array: _joined(path, array, places[array], parts) for array, parts in read.items()
        }
        used = {name for own in places.values() for name in own}
        others = [name for name in file.unindexed if name not in used]
        notes = [] if "time" in arrays else _unordered(path, file, others, arrays)
    by_folder = places.get("episode", [] if "episode" in partitions else None)
    if by_folder == []:
        arrays["episode"] = np.zeros(len(arrays.get("rewards", ())))
    missing = [name for name in ("observations", "actions", "rewards") if name not in arrays]
    if missing:
        held = file.unindexed
        raise UserError(
            f"{path} has no {', '.join(missing)}: it holds {', '.join(held[:8]) or 'nothing'}"
            f"{', ...' if len(held) > 8 else ''}. {meant(missing, others)}"
        )
    if not arrays.keys() & {*_MARKS}:
        starts = " Here it is numpy.cumsum(episode_starts)." if "episode_starts" in others else ""
        raise UserError(
            f"{path} has neither terminated, truncated nor episode, so nothing in it separates one "
            "episode from the next: add a column episode (a number for each), or terminated and "
            f"truncated (1 on the last row of an episode, else 0).{starts} {meant(_MARKS, others)}"
        )
    named = Names(*(names.get(name, ()) for name in ("observations", "actions")))
    return Table(arrays, named, others, notes)


def _unordered(
    path: Path, file: NpzFile | TableFile, others: list[str], arrays: Arrays
) -> list[str]:
    """Offer to sort by a column that looks like the time and is not in order."""
    for name in others:
        called_so = name.lower() in USUAL
        if not called_so and not _OF_TIME.search(name):
            continue
        try:
            ((time,),) = file.read({"time": [name]}).values()
        except UserError:  # it is no time, or cannot be read, and nobody asked for it
            continue
        row = out_of_order(time, arrays) if called_so or time.dtype.kind == "M" else None
        if row is not None:
            return [
                f"{path.name}: {name} is not in order (row {row} is earlier than the row before "
                "it), and an episode's rows must be in the order of time: "
                f"dataset.columns.time={name} sorts them."
            ]
    return []


def _names(columns: Sequence[str], parts: Sequence[NDArray[Any]]) -> tuple[str, ...]:
    """Name the numbers of an array by the columns that it is joined of."""
    widths = (int(np.prod(part.shape[1:])) for part in parts)
    return tuple(name for pair in zip(columns, widths, strict=True) for name in name_each(*pair))


def _joined(
    path: Path, array: str, columns: Sequence[str], parts: Sequence[NDArray[Any]]
) -> NDArray[Any]:
    """Join columns to an array; those of an episode to one number for each combination."""
    if len(parts) == 1:
        return parts[0]
    for column, part in zip(columns, parts, strict=True):
        if part.ndim not in (1, 2) or part.shape[:1] != parts[0].shape[:1]:
            raise UserError(
                f"{path}: {column} has shape {part.shape}, and {columns[0]} {parts[0].shape}. To "
                f"be joined to {array} they should be (rows,) or (rows, n), with as many rows."
            )
    flat = [part.reshape(len(part), -1) for part in parts]
    if array != "episode":
        return np.concatenate(flat, axis=1)
    for column, part in zip(columns, flat, strict=True):
        missing = np.flatnonzero((part != part).any(1))
        if len(missing):
            raise UserError(
                f"{path}, row {missing[0]}: {column} is missing. Give every row its episode."
            )
    codes = [np.unique(part, axis=0, return_inverse=True)[1].reshape(-1) for part in flat]
    return np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
