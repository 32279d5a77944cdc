"""Finds a user's own files of transitions and reads the arrays of an .npz file.

An array that is not one of COLUMNS is not read at all.
"""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.arrays.tables import read_table
from ivr.data.sources.limits import check_claim, check_regular
from ivr.errors import UserError

COLUMNS = (
    "observations", "actions", "rewards", "next_observations", "terminated", "truncated", "episode",
)  # fmt: skip

_USUAL = {
    "observations": ("observation", "obs", "states", "state"),
    "actions": ("action", "acts", "act"),
    "rewards": ("reward", "rews", "rew"),
}
"""What others call the columns that must be there."""

Arrays = dict[str, NDArray[Any]]

_KINDS = (".npz", ".parquet", ".csv")


def find_arrays(path: str | Path | Sequence[str] | None) -> list[Path]:
    """List the files that `path` names: .npz, .parquet, .csv, a folder of one kind, or several.

    Those of a folder come in the order of their names.

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
        if path.suffix.lower() not in _KINDS:
            raise UserError(f"dataset.path={path}: give a file that ends in {', '.join(_KINDS)}.")
        return [path]
    if not path.is_dir():
        raise UserError(f"dataset.path={path} does not exist.")
    files = (file for file in path.iterdir() if file.is_file())
    found = sorted(file for file in files if file.suffix.lower() in _KINDS)
    kinds = sorted({file.suffix.lower() for file in found})
    if len(kinds) != 1:
        raise UserError(
            f"dataset.path={path} is a folder with {' and '.join(kinds) or 'no'} files. Give one "
            f"with files of one kind, {', '.join(_KINDS)}."
        )
    return found


def read_arrays(path: Path) -> tuple[Arrays, list[str]]:
    """Read the arrays of COLUMNS that a file holds, and list the names of its other arrays.

    Raises:
        UserError: it cannot be read, or holds something else than numbers.
    """
    arrays, others = _read_npz(path) if path.suffix.lower() == ".npz" else read_table(path, COLUMNS)
    missing = [name for name in ("observations", "actions", "rewards") if name not in arrays]
    if missing:
        held = [*arrays, *others]
        usual = [(name, other) for name in missing for other in others if _is_called(name, other)]
        advice = "".join(f" Rename {other!r} to {name}." for name, other in usual)
        raise UserError(
            f"{path} has no {', '.join(missing)}: it holds {', '.join(held[:8]) or 'nothing'}"
            f"{', ...' if len(held) > 8 else ''}. conf/dataset/arrays.yaml describes the columns."
            f"{advice}"
        )
    return arrays, others


def _is_called(name: str, other: str) -> bool:
    plain = other.strip().lower()
    return plain == name or plain in _USUAL[name]


def _read_npz(path: Path) -> tuple[Arrays, list[str]]:
    name = "the file"
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("it is no archive, or cut short")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        # numpy writes these two; of others the header says how much memory they take to unpack.
        if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in entries):
            raise zipfile.BadZipFile("it is packed by another method than deflate")
        wanted = (one.file_size for one in entries if one.filename.removesuffix(".npy") in COLUMNS)
        check_claim(path, sum(wanted))
        # Objects are pickled, and to load a pickle is to run it.
        with np.load(path, allow_pickle=False) as file:
            arrays = {}
            for name in COLUMNS:
                if name in file.files:
                    arrays[name] = file[name]
            return arrays, [other for other in file.files if other not in COLUMNS]
    except (OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError,
            AttributeError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:  # fmt: skip
        raise UserError(
            f"{path}: {name} cannot be read ({error}). The file must be one of np.savez or "
            "np.savez_compressed, whole, with arrays of numbers only (no objects, no lists of "
            "different lengths)."
        ) from error
