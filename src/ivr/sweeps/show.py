"""Says how a sweep stands: one line, and a table of scores with what failed."""

import math
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ivr.errors import counted
from ivr.programs import command
from ivr.sweeps.jobs import Job

_LEFT = ("stopped", "killed", "waiting")
"""Jobs that the same command does."""


def status_line(name: str, jobs: Sequence[Job], now: float | None = None) -> str:
    """Count the jobs and estimate the end, as in "sweep night: 5 of 12 jobs done, 7 left".

    Args:
        name: of the sweep.
        jobs: all of them.
        now: seconds since 1970; the clock's by default.
    """
    counts = Counter(job.status for job in jobs)
    parts = [f"{counts['done']} of {counted(len(jobs), 'job')} done"]
    for status in ("running", "killed", "failed"):
        if counts[status]:
            parts.append(f"{counts[status]} {status}")
    if left := sum(counts[status] for status in _LEFT):
        begun = left - counts["waiting"]
        parts.append(f"{left} left" + (f" ({begun} of them begun)" if begun else ""))
    seconds = remaining(jobs)
    if seconds is not None and (left or counts["running"]):
        end = time.localtime((time.time() if now is None else now) + seconds)
        parts.append(f"about {_span(seconds)} to go (until {time.strftime('%a %H:%M', end)})")
    return f"sweep {name}: {', '.join(parts)}"


def remaining(jobs: Sequence[Job]) -> float | None:
    """Estimate the seconds until all jobs that have not failed are done.

    Each takes what those before it took on average, and as many run at once as run now. None
    before any has shown how long it takes.
    """
    known = [job for job in jobs if job.status == "done" and job.seconds]
    known = known or [job for job in jobs if job.seconds and job.share > 0]
    if not known:
        return None
    each = sum((job.seconds or 0) / (job.share or 1) for job in known) / len(known)
    left = [job for job in jobs if job.status in ("running", *_LEFT)]
    at_once = max(1, sum(job.status == "running" for job in jobs))
    return each * sum(1 - job.share for job in left) / min(at_once, max(1, len(left)))


def table(jobs: Sequence[Job]) -> str:
    """Write a row for each job: mean last score of its members, updates, time, status."""
    rows = [("job", "last score", "members", "updates", "time", "status")]
    rows += [
        (
            job.name,
            _score(job.scores),
            str(len(job.scores) or "-"),
            f"{job.updates:,}",
            "-" if job.seconds is None else _span(job.seconds),
            job.status,
        )
        for job in jobs
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    errors = max((len(job.scores) for job in jobs), default=0) > 1
    note = ["last score: mean ± standard error over the job's members"] if errors else []
    return "\n".join([*lines, *note])


def summary(folder: Path, jobs: Sequence[Job], failed: str = "failed=retry") -> str:
    """Write the table, why jobs failed, who trains others, and what to do next.

    Args:
        folder: of the sweep.
        jobs: all of them.
        failed: the option that tries failed ones again.
    """
    place = shlex.quote(str(folder))
    lines = ["", table(jobs), ""]
    for job in jobs:
        if job.error is not None:
            lines += [f"failed: {job.name}: {job.error}"]
        if job.status == "killed":
            lines += [
                f"killed: {job.name}: its process ended without a word, as where memory runs out"
            ]
        if job.owner is not None:
            lines += [f"running: {job.name}: {job.owner}"]
    if any(job.error is not None for job in jobs):
        lines += [f"The same command with {failed} tries failed jobs again."]
    if any(job.status in _LEFT for job in jobs):
        lines += ["The same command does the rest."]
    if any(job.scores and job.status == "done" for job in jobs):
        lines += [f"compare:  {command('report')} folder={place}"]
    elif any(job.status == "done" for job in jobs):
        lines += [
            f"rank:     {command('rank')} runs={place}  (without an environment no score is known)"
        ]
    return "\n".join([*lines, f"status:   {command('status')} folder={place}"])


def _score(scores: Sequence[float]) -> str:
    if not scores:
        return "-"
    n = len(scores)
    mean = sum(scores) / n
    if n == 1:
        return f"{mean:.1f}"
    return f"{mean:.1f} ± {math.sqrt(sum((x - mean) ** 2 for x in scores) / (n - 1) / n):.1f}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
