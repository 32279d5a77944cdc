"""Writes columns of numbers, and maps them instead of reading them.

By hand: plain .npy files grow without a known length and are mapped, so that data take no memory
of their own (docs/speed.md, memory); HDF5 and Parquet would be read into it.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from ivr.errors import UserError

_INFO = "info.json"
_PIECE = 1 << 20


class ColumnWriter:
    """Writes a .npy file that grows along its first axis; its length need not be known."""

    def __init__(self, folder: Path, name: str, tail: Sequence[int], dtype: DTypeLike) -> None:
        """Open `folder`/`name`.npy for rows of shape `tail`."""
        self.length = 0
        self._tail, self._dtype = tuple(tail), np.dtype(dtype)
        self._file: IO[bytes] = open(folder / f"{name}.npy", "wb")  # noqa: SIM115
        self._write_header()

    def _write_header(self) -> None:
        # numpy pads the header so that a longer first axis fits in the same place.
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.length, *self._tail),
        }
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, values: NDArray[Any]) -> bytes:
        """Add rows; returns the bytes written."""
        assert values.shape[1:] == self._tail, (values.shape, self._tail)
        content = np.ascontiguousarray(values, self._dtype).tobytes()
        self._file.write(content)
        self.length += len(values)
        return content

    def close(self) -> None:
        """Write the final length and close."""
        try:
            self._file.seek(0)
            self._write_header()
        finally:
            self._file.close()


def write_info(folder: Path, info: dict[str, Any]) -> None:
    """Write the facts and all checksums beside the columns; `folder` is still a temporary one."""
    columns = {path.name: checksum(path) for path in sorted(folder.glob("*.npy"))}
    sealed = {"info": info, "columns": columns}
    (folder / _INFO).write_text(json.dumps(sealed | {"checksum": _seal(sealed)}, indent=1))


def checksum(path: Path) -> int:
    """CRC-32 of a file: docs/datasets.md says why this one."""
    crc = 0
    with open(path, "rb") as file:  # not through the map, whose pages would count as our memory
        while piece := file.read(_PIECE):
            crc = zlib.crc32(piece, crc)
    return crc


def _seal(sealed: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(sealed, sort_keys=True).encode())


def is_built(final: Path, setting: str) -> bool:
    """Check whether `final` is there; `setting` is what the user changes to have it elsewhere.

    Raises:
        UserError: another user's folder, which may not be looked into.
    """
    try:
        final.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise UserError(_forbidden(final, error, setting)) from error
    return True


def _forbidden(path: Path, error: OSError, setting: str) -> str:
    return (
        f"Cannot read {path}: {error.strerror}. Ask its owner for the right to, or set {setting} "
        "to a folder of your own."
    )


def read_store(
    folder: Path, setting: str = "IVR_CACHE"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Map the columns of `folder` from disk and read its facts, once all checksums are right.

    Raises:
        UserError: the folder is damaged, or may not be read; then `setting` is named.
    """
    try:
        for path in (folder / _INFO, *folder.glob("*.npy")):
            if not path.is_file():  # to open a pipe in its place would wait for ever
                raise ValueError(f"{path.name} is no plain file")
        sealed = json.loads((folder / _INFO).read_bytes())
        if not isinstance(sealed, dict) or sealed.pop("checksum", None) != _seal(sealed):
            raise ValueError(f"the checksum of {_INFO} is wrong")
        checksums, columns = dict(sealed["columns"]), {}
        # The folder says which files there are, so that no name in a file leads out of it.
        paths = sorted(folder.glob("*.npy"))
        if {path.name for path in paths} != checksums.keys():
            raise ValueError(f"{_INFO} lists other files than there are")
        for path in paths:
            if checksum(path) != checksums[path.name]:
                raise ValueError(f"the checksum of {path.name} is wrong")
            # Copy-on-write: torch wants memory that it may write to; the file never changes.
            array = np.load(path, mmap_mode="c", allow_pickle=False)
            columns[path.stem] = torch.from_numpy(array)
        info = dict(sealed["info"])
    except PermissionError as error:
        raise UserError(_forbidden(folder, error, setting)) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"The cached data in {folder} are damaged ({error}). Delete that folder: they are "
            "made again from the source."
        ) from error
    return columns, info
