"""A run folder has one owner at a time, and is left as it is until a run is accepted.

Light to import, so that a run is refused before torch is loaded.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ivr.errors import UserError
from ivr.files import remove_temporary, write_json

_ENTRIES = (
    ".hydra", ".lock", ".owner.json", "checkpoints", "job.json", "log.txt", "metrics.csv",
    "result.json", "tensorboard",
)  # fmt: skip
"""What a run writes into its folder."""

_GLANCE = 0.3
"""Seconds: whoever only looks whether a folder is owned holds its lock for less."""


class InUseError(UserError):
    """Another process trains in the folder."""


def check_checkpoint(path: Path) -> None:
    """Raise a UserError where there is no such file."""
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: give the path of a file such as last.ckpt")


def refuse_links(folder: Path) -> None:
    """Refuse a folder in which a run would write through a symbolic link.

    Raises:
        UserError: naming it.
    """
    within = [path for name in (".hydra", "tensorboard") for path in (folder / name).rglob("*")]
    for path in (*(folder / name for name in _ENTRIES), *within):
        if path.is_symlink():
            raise UserError(
                f"{path} is a symbolic link, and what it leads to would be written over. Remove "
                "it, or choose another folder with hydra.run.dir=..."
            )


def check_free(folder: Path, resumed_from: Path | None) -> None:
    """Refuse a folder that holds another run than the one that is resumed.

    Args:
        folder: of the run.
        resumed_from: its checkpoint, None for a new run.

    Raises:
        UserError: it does, or some of its entries lead elsewhere.
    """
    refuse_links(folder)
    own = folder / "checkpoints" / "last.ckpt"
    if resumed_from is None:
        if own.exists():
            raise UserError(
                f"hydra.run.dir={folder} holds a run already: resume=auto resumes it, another "
                "folder starts a new one"
            )
    elif own.resolve() != resumed_from.resolve():
        held = [x for x in (own, folder / "metrics.csv", folder / "result.json") if x.exists()]
        if held:
            raise UserError(
                f"resume={resumed_from}: hydra.run.dir={folder} holds another run ({held[0].name}),"
                " which would be lost. Leave hydra.run.dir out to resume in the run's own folder, "
                "or give one that is empty"
            )


def refuse_training(folder: Path) -> None:
    """Refuse to write what is no training into the folder of one.

    Raises:
        UserError: it holds a training.
    """
    if (folder / "checkpoints" / "last.ckpt").exists():
        raise UserError(
            f"hydra.run.dir={folder} holds a training, whose records would be written over: choose "
            "another folder"
        )


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Own a run folder; the system gives it back however this process ends.

    Holds between processes and between containers that share the folder. What killed writers left
    there is removed.

    Raises:
        InUseError: another process owns it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(folder / ".lock"), folder / ".owner.json"
    try:
        lock.acquire(timeout=_GLANCE)
    except Timeout:
        raise InUseError(
            f"hydra.run.dir={folder} is in use by {owner_of(folder)}. Wait for its end, stop it, "
            "or choose another folder"
        ) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        remove_temporary(folder)
        remove_temporary(folder / "checkpoints")
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        write_json(owner, {"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        yield
    finally:
        owner.unlink(missing_ok=True)
        if os.listdir(folder) == [".lock"]:  # nothing came of it
            (folder / ".lock").unlink()
        lock.release()


def owner_of(folder: Path) -> str:
    """Say who owns a folder, as far as its file can be read."""
    try:
        with (folder / ".owner.json").open("rb") as file:
            known = json.loads(file.read(1000))
        return f"process {known['pid']} on {known['host']}, since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
