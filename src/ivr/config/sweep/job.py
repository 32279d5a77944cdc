"""One job of a sweep: its end is noted in its folder, and a failure stops no other job."""

import logging
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import CompactHydraException

from ivr.errors import UserError
from ivr.files import DiskFullError, is_full
from ivr.sweeps.index import read_sweep
from ivr.sweeps.jobs import read_end, record_end
from ivr.sweeps.names import settings
from ivr.sweeps.show import status_line
from ivr.training.folder import InUseError

log = logging.getLogger(__name__)


class CommandError(CompactHydraException):
    """A failure that is noted: Hydra goes on with the next job, without a traceback."""


class JobStopped(CommandError):
    """A job that can go on later, such as after a full disk."""


def run_job(
    folder: Path, words: Sequence[str], run: Callable[[], Any], alone: bool
) -> float | None:
    """Run a job unless it is done, and note how it ended.

    Args:
        folder: of the job, in its sweep's.
        words: its overrides.
        run: trains; returns what a sweeper optimizes.
        alone: whether jobs run one after the other in this process.

    Returns:
        What `run` returned, now or earlier; None where another process trains this job.

    Raises:
        CommandError: it failed.
        JobStopped: the disk is full.
        SystemExit: likewise, where the next job of this process could not do better.
    """
    end = read_end(folder)
    if end is not None and end["status"] == "done" and _same(end, words):
        log.info(f"done already: {folder.name}")
        return _number(end["returned"])
    try:
        returned = _number(run())
        record_end(folder, words, returned=returned)
    except InUseError as error:
        log.info(f"left to another process: {folder.name}: {error}")
        return None
    except UserError as error:
        if not isinstance(error, DiskFullError):
            raise _failed(folder, words, str(error)) from None
        raise _stopped(str(error), alone) from None
    except Exception as error:
        if is_full(error):
            raise _stopped(f"cannot write to {folder}: {error}. Free space", alone) from None
        said = f"{type(error).__name__}: {error}".strip()
        raise _failed(folder, words, said, traceback.format_exc()) from None
    if alone:
        log.info(status_line(folder.parent.name, read_sweep(folder.parent)))
    return returned


def _stopped(why: str, alone: bool) -> BaseException:
    return SystemExit(f"Error: {why}") if alone else JobStopped(why)


def _failed(
    folder: Path, words: Sequence[str], error: str, trace: str | None = None
) -> CommandError:
    log.error(f"failed: {folder.name}: {error}")
    if trace is not None:
        log.error(trace)
    record_end(folder, words, error=error, traceback=trace)
    return CommandError(f"Error: {error}")


def _same(end: dict[str, Any], words: Sequence[str]) -> bool:
    return settings(end["overrides"]) == settings(words)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
