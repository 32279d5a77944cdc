"""Writes files whole or not at all."""

import errno
import fnmatch
import json
import math
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ivr.errors import UserError

_temporary_folder = threading.Lock()
# The name of a file, and the eight characters of `mkstemp`.
_TEMPORARY = re.compile(r"\..+\.(ckpt|csv|json)\.[a-z0-9_]{8}")


class DiskFullError(UserError):
    """There is no room for a file."""


def is_full(error: BaseException) -> bool:
    """Whether an error of writing says that the disk, or the user's share of it, is full."""
    causes = (error, error.__cause__, error.__context__)
    numbers = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
    return any(
        (isinstance(cause, OSError) and cause.errno in numbers)
        or "No space left on device" in str(cause)
        for cause in causes
    )


def found_below(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder whose name matches, sorted; links to folders are followed, each once.

    Args:
        folder: that is searched.
        pattern: of file names, as in *.ckpt.
    """
    found, entered = [], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        here = os.path.realpath(place)
        if here in entered:
            folders.clear()
            continue
        entered.add(here)
        # A folder by its own name, and not by that of a link to it.
        folders.sort(key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        found += [Path(place) / name for name in fnmatch.filter(files, pattern)]
    return sorted(found)


def write_whole(
    path: Path, write: Callable[[BinaryIO], object], setting: str = "hydra.run.dir"
) -> None:
    """Let `write` fill a temporary file beside `path`, sync it to disk, and rename it.

    A crash at any moment leaves either the old file or the new one.

    Args:
        path: of the file.
        write: writes its content.
        setting: the option by which a person has the file elsewhere.

    Raises:
        DiskFullError: the disk is full; the old file stays.
        UserError: the folder cannot be written; the old file stays.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    # torch.save reports a failed write as a RuntimeError.
    except (OSError, RuntimeError) as error:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free >> 20
        raise (DiskFullError if is_full(error) else UserError)(
            f"cannot write {path}: {error} ({free} MiB are free there). A file that stood there "
            f"before is unharmed. Free space or choose another place with {setting}=..."
        ) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files that `write_whole` left in a folder when it was killed.

    Only where nobody else is writing.
    """
    for path in folder.glob(".*.*.*"):
        if _TEMPORARY.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: Any, indent: int = 2) -> Any:
    """Write a JSON file whole; returns what it holds.

    Numbers that are not finite become null: JSON has no word for them.
    """
    finite = _finite(content)
    write_text(path, json.dumps(finite, indent=indent, allow_nan=False) + "\n")
    return finite


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def unique_suffix() -> str:
    """Make six characters that distinguish two folders of the same second."""
    return os.urandom(3).hex()


@contextmanager
def private_temporary_folder() -> Iterator[None]:
    """Send temporary files made inside to a folder of their own, which is then removed.

    Every maze environment writes its MuJoCo XML straight into the temporary folder, under a
    name made of the clock: left there they pile up, and two of one instant overwrite each other.
    """
    with _temporary_folder, tempfile.TemporaryDirectory(prefix="ivr-maze-") as folder:
        before = tempfile.tempdir
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before
