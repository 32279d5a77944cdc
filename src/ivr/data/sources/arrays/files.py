"""Finds a user's own files of transitions and reads the arrays of an .npz file.

An array that is not one of COLUMNS is not read at all.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.arrays.tables import read_table
from ivr.data.sources.limits import check_claim, check_regular
from ivr.data.sources.names import renamed
from ivr.errors import UserError

COLUMNS = (
    "observations", "actions", "rewards", "next_observations", "terminated", "truncated", "episode",
)  # fmt: skip

Arrays = dict[str, NDArray[Any]]

_MARKS = ("terminated", "truncated", "episode")

_KINDS = (".npz", ".parquet", ".csv", ".csv.gz")


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


def read_arrays(path: Path) -> tuple[Arrays, list[str]]:
    """Read the arrays of COLUMNS that a file holds, and list the names of its other arrays.

    Raises:
        UserError: it cannot be read, holds something else than numbers, or lacks what is needed.
    """
    arrays, others = _read_npz(path) if kind_of(path) == ".npz" else read_table(path, COLUMNS)
    if "episode" not in arrays and any(part.startswith("episode=") for part in path.parent.parts):
        arrays["episode"] = np.zeros(len(arrays.get("rewards", ())))
    missing = [name for name in ("observations", "actions", "rewards") if name not in arrays]
    if missing:
        held = [*arrays, *others]
        raise UserError(
            f"{path} has no {', '.join(missing)}: it holds {', '.join(held[:8]) or 'nothing'}"
            f"{', ...' if len(held) > 8 else ''}. conf/dataset/arrays.yaml describes the columns."
            f"{renamed(missing, others)}"
        )
    if not arrays.keys() & {*_MARKS}:
        starts = " Here it is numpy.cumsum(episode_starts)." if "episode_starts" in others else ""
        raise UserError(
            f"{path} has neither terminated, truncated nor episode, so nothing in it separates one "
            "episode from the next: add a column episode (a number for each), or terminated and "
            f"truncated (1 on the last row of an episode, else 0).{starts}{renamed(_MARKS, others)}"
        )
    return arrays, others


def _read_npz(path: Path) -> tuple[Arrays, list[str]]:
    name = "the file"
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("it is no archive, or cut short")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            # numpy writes these two; of others the header says how much memory unpacking takes.
            if not {one.compress_type for one in entries} <= {
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            }:
                raise zipfile.BadZipFile("it is packed by another method than deflate")
            for one in entries:  # compares its two names, which no checksum covers
                archive.open(one).close()
        wanted = (one.file_size for one in entries if one.filename.removesuffix(".npy") in COLUMNS)
        check_claim(path, sum(wanted))
        # Objects are pickled, and to load a pickle is to run it.
        with np.load(path, allow_pickle=False) as file:
            arrays = {}
            for name in COLUMNS:
                if name in file.files:
                    arrays[name] = file[name]
            return arrays, [other for other in file.files if other not in COLUMNS]
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib and numpy's parser of headers raise a dozen kinds
        raise UserError(
            f"{path}: {name} cannot be read ({error}). The file must be one of np.savez or "
            "np.savez_compressed, whole, with arrays of numbers only (no objects, no lists of "
            "different lengths)."
        ) from error
