"""What has become of a sweep's jobs, as their folders say. Light to import: no torch."""

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ivr.errors import printable
from ivr.files import write_json
from ivr.training.folder import owner_of
from ivr.training.plain import count, duration, finite, list_of, measure, optional, text

_LONGEST = 1e10
"""Seconds of a run; more are no time that a calendar has."""
_LARGEST = 64 << 20
"""Bytes of a file that is read."""


@dataclass(frozen=True)
class Job:
    """One job of a sweep, at this moment."""

    name: str
    status: str
    """done, failed, running (by a process that lives), stopped (half done), killed (half done by a
    process that had no time to say so, as where memory runs out) or waiting."""
    updates: int = 0
    num_updates: int | None = None
    seconds: float | None = None
    """That its training has taken so far."""
    scores: list[float] = field(default_factory=list)
    """Last score of each member that neither diverged nor was stopped by successive halving:
    normalised, or the return where there is no reference."""
    error: str | None = None
    """Why it failed."""
    owner: str | None = None
    """Who trains it now."""

    @property
    def share(self) -> float:
        """How much of its updates it has had, from 0 to 1."""
        return min(1.0, self.updates / self.num_updates) if self.num_updates else 0.0


def record_end(
    folder: Path,
    words: Sequence[str],
    *,
    returned: float | None = None,
    error: str | None = None,
    traceback: str | None = None,
) -> None:
    """Note in a job's folder that it is done, or why it failed.

    Args:
        folder: of the job.
        words: its overrides.
        returned: what a sweeper optimizes.
        error: why it failed; None where it is done.
        traceback: of an error that nobody foresaw.
    """
    content = {
        "status": "done" if error is None else "failed",
        "overrides": list(words),
        "returned": returned,
        "error": error and printable(error),
        "traceback": traceback,
        "ended": time.strftime("%Y-%m-%d %H:%M:%S"),
        "host": socket.gethostname(),
    }
    write_json(folder / "job.json", content)


def read_end(folder: Path) -> dict[str, Any] | None:
    """What `record_end` noted; None for a job that has not ended, or whose results are gone."""
    content = _read(folder / "job.json")
    checks = {
        "status": lambda value: value in ("done", "failed"),
        "overrides": list_of(text),
        "returned": optional(finite),
        "error": optional(lambda value: isinstance(value, str)),
    }
    if not all(key in content and check(content[key]) for key, check in checks.items()):
        return None
    if content["status"] == "done" and _read(folder / "result.json").get("status") != "finished":
        return None
    return content


def forget_end(folder: Path) -> None:
    """Let a job be tried again."""
    (folder / "job.json").unlink(missing_ok=True)


def read_job(folder: Path) -> Job:
    """Look at a job's folder, which need not be there."""
    end, result = read_end(folder), _read(folder / "result.json")
    updates: Any = result.get("updates_done")
    seconds: Any = result.get("wall_seconds")
    length = result.get("num_updates")
    if is_owned(folder):
        status = "running"
    elif end is not None:
        status = end["status"]
    elif result.get("status") == "running":
        status = "killed"
    else:
        status = "stopped" if (folder / "checkpoints" / "last.ckpt").exists() else "waiting"
    return Job(
        name=folder.name,
        status=status,
        updates=updates if count(updates) else 0,
        num_updates=length if count(length) else None,
        seconds=seconds if duration(seconds) and seconds < _LONGEST else None,
        scores=_scores(result.get("members")),
        error=end["error"] if status == "failed" and end is not None else None,
        owner=owner_of(folder) if status == "running" else None,
    )


def is_owned(folder: Path) -> bool:
    """Whether a process that lives trains in a folder."""
    if not (folder / ".lock").exists():
        return False
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except (NotImplementedError, OSError):  # a file system without locks, or a read-only copy
        return False
    lock.release()
    return False


def _scores(members: Any) -> list[float]:
    """The last scores of a result's members that trained to the end; empty where one has none."""
    found = []
    for member in members if isinstance(members, list) else []:
        if isinstance(member, dict) and (member.get("stopped") or member.get("diverged")):
            continue
        last = member.get("last") if isinstance(member, dict) else None
        if not isinstance(last, dict):
            return []
        normalised = last.get("normalized_score")
        score: Any = last.get("return_mean") if normalised is None else normalised
        if not measure(score):
            return []
        found.append(float(score))
    return found


def _read(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; an empty one where there is none, or it is damaged."""
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
