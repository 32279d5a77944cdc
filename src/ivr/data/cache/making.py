"""Makes folders whole or not at all, each by one process at a time."""

import errno
import os
import platform
import re
import secrets
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ivr.errors import UserError

_NO_ROOM = {
    errno.ENOSPC,
    errno.EFBIG,
    getattr(errno, "EDQUOT", errno.ENOSPC),
}  # Windows has no quota error
_NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system without locks answers."""

_MAKING = ".building-"
_PATIENCE = 0.5
"""Seconds before another maker is named: one that only removes what others left takes less."""


def make_folder(final: Path, bytes_needed: int, setting: str, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a temporary folder, and rename it to `final`.

    Where another process, of this or of another container, makes the same folder, its end is
    waited for, and `fill` is called only if it failed. The system takes the lock from a maker that
    is killed, and the next one removes what it left. On a file system without locks all fill a
    folder of their own, and the first to end stays.

    Args:
        final: the folder to make; its parents are made too.
        bytes_needed: a rough size; where the disk has less room nothing is begun.
        setting: what the user changes to have the folder elsewhere.
        fill: writes the files into the folder that it is given.

    Raises:
        UserError: the disk is full or the place cannot be written to; nothing is left behind.
    """
    me = f"{re.sub(r'[^a-zA-Z0-9.]', '_', platform.node())}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = final.parent / f"{_MAKING}{final.name}-{me}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _sole_maker(final, setting):
            if final.is_dir():
                return
            # A file system that does not know how much room it has says 0.
            if 0 < shutil.disk_usage(final.parent).free < bytes_needed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                temporary.mkdir()
                fill(temporary)
                _publish(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
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


def _publish(temporary: Path, final: Path) -> None:
    for path in [*temporary.rglob("*"), temporary]:
        _fsync(path)
    try:
        os.rename(temporary, final)
    except OSError:
        if not final.is_dir():
            raise
    _fsync(final.parent)


def _fsync(path: Path) -> None:
    if os.name == "nt":  # opens no folder, and syncs only files that are open for writing
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _sole_maker(final: Path, setting: str) -> Iterator[None]:
    """Hold the lock of `final`, once others let go of it; remove what killed makers left."""
    lock = _lock(final.parent, final.name)
    if not _acquired(lock, final, setting):
        yield
        return
    try:
        _remove_abandoned(final)
        yield
    finally:
        _release(lock)


def _lock(parent: Path, name: str) -> BaseFileLock:
    # Whoever may write to the folder may take the lock.
    return FileLock(parent / f".{name}.lock", mode=0o666)


def _release(lock: BaseFileLock) -> None:
    with suppress(OSError):  # Windows removes no file that is open
        os.unlink(lock.lock_file)  # whoever waits for it finds it gone, and makes a new one
    lock.release()


def _acquired(lock: BaseFileLock, final: Path, setting: str) -> bool:
    """Wait for the lock; False where there are no locks."""
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        warnings.warn(
            f"{_told(final)} is making {final}: waiting until it has ended. Stop it, or set "
            f"{setting} to another folder, to have this process make it.",
            stacklevel=5,
        )
        lock.acquire()
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _told(final: Path) -> str:
    """Name the process that makes `final`, as far as its temporary folder says."""
    for path in final.parent.glob(f"{_MAKING}*"):
        name, host, pid, _ = _parts(path)
        if name == final.name:
            try:
                since = time.strftime("%H:%M:%S", time.localtime(path.stat().st_ctime))
            except OSError:
                break
            return f"Process {pid} on {host}, at work at {since},"
    return "Another process"


def _parts(path: Path) -> tuple[str, str, str, str]:
    """Take the name of a temporary folder apart: whose it is to become, host, process, token."""
    parts = path.name.removeprefix(_MAKING).rsplit("-", 3)
    name, host, pid, token = parts if len(parts) == 4 else ("", *[""] * 3)
    return name, host, pid, token


def _remove_abandoned(final: Path) -> None:
    """Remove what makers left behind when they were killed: those whose lock nobody holds."""
    for path in final.parent.glob(f"{_MAKING}*"):
        name = _parts(path)[0]
        if name == final.name:  # whose lock we hold
            shutil.rmtree(path, ignore_errors=True)
        elif name:
            try:
                lock = _lock(final.parent, name)
                lock.acquire(timeout=0)
                shutil.rmtree(path, ignore_errors=True)
                _release(lock)
            except OSError:  # a Timeout, as it is still at work; or another user's
                pass
