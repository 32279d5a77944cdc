"""Writes folders whole or not at all, and maps columns of numbers instead of reading them.

By hand: plain .npy files grow without a known length and are mapped, so that data take no memory
of their own (docs/speed.md, memory); HDF5 and Parquet would be read into it.
"""

import errno
import json
import os
import platform
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from ivr.errors import UserError

_INFO = "info.json"
_PIECE = 1 << 20
_NO_ROOM = {
    errno.ENOSPC,
    errno.EFBIG,
    getattr(errno, "EDQUOT", errno.ENOSPC),
}  # Windows has no quota error
_NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def new_folder(final: Path, bytes_needed: int, setting: str) -> Iterator[Path]:
    """Give a temporary folder that becomes `final` when the block ends without an error.

    Where another process put its own there first, that one stays and this one is dropped.

    Args:
        final: the folder to make; its parents are made too.
        bytes_needed: a rough size, for the message when the disk is full.
        setting: what the user changes to have the folder elsewhere.

    Raises:
        UserError: the disk is full or the place cannot be written to.
    """
    temporary = final.parent / f".building-{_node()}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(final.parent)
        temporary.mkdir()
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            _fsync(path)
        try:
            os.rename(temporary, final)
        except OSError:
            if not final.is_dir():
                raise
        _fsync(final.parent)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise UserError(
                f"No space left while writing {final}: about {bytes_needed:,} bytes are needed "
                f"there. Free some, or set {setting} to a folder with more room."
            ) from error
        if error.errno in _NO_ACCESS:
            raise UserError(
                f"Cannot write {final}: {error.strerror}. Set {setting} to a folder that can be "
                "written to."
            ) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _node() -> str:
    return re.sub(r"\W", "_", platform.node())


def _remove_abandoned(parent: Path) -> None:
    """Remove what builds of this machine left behind when they were killed."""
    for path in parent.glob(f".building-{_node()}-*-*"):
        with suppress(ValueError, OverflowError):  # no number of a process: not of ours
            if not psutil.pid_exists(int(path.name.split("-")[-2])):
                shutil.rmtree(path, ignore_errors=True)


def _fsync(path: Path) -> None:
    if os.name == "nt":  # opens no folder, and syncs only files that are open for writing
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    columns = {path.name: _checksum(path) for path in sorted(folder.glob("*.npy"))}
    sealed = {"info": info, "columns": columns}
    (folder / _INFO).write_text(json.dumps(sealed | {"checksum": _seal(sealed)}, indent=1))


def _checksum(path: Path) -> int:
    """CRC-32 of a file: docs/datasets.md says why this one."""
    checksum = 0
    with open(path, "rb") as file:  # not through the map, whose pages would count as our memory
        while piece := file.read(_PIECE):
            checksum = zlib.crc32(piece, checksum)
    return checksum


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
        sealed = json.loads((folder / _INFO).read_bytes())
        if not isinstance(sealed, dict) or sealed.pop("checksum", None) != _seal(sealed):
            raise ValueError(f"the checksum of {_INFO} is wrong")
        checksums, columns = dict(sealed["columns"]), {}
        # The folder says which files there are, so that no name in a file leads out of it.
        paths = sorted(folder.glob("*.npy"))
        if {path.name for path in paths} != checksums.keys():
            raise ValueError(f"{_INFO} lists other files than there are")
        for path in paths:
            if _checksum(path) != checksums[path.name]:
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
