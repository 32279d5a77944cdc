"""Runs the commands of a plan one after the other, and says what is missing at the end."""

import logging
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from ivr.errors import UserError
from ivr.paper.needs import absent
from ivr.paper.plan import Step
from ivr.programs import command
from ivr.report.output.tables import Table
from ivr.sweeps.index import FILE, read_sweep

log = logging.getLogger(__name__)

_INTERRUPTED = (130, -2)


def run_all(steps: Sequence[Step], options: Sequence[str]) -> dict[Step, str]:
    """Run commands; one that fails stops no other, and jobs that are done stay as they are.

    Args:
        steps: in their order.
        options: overrides that each command gets besides, such as launcher=joblib.

    Returns:
        Why a command could not run, by step.

    Raises:
        SystemExit: after Ctrl-C; the same command goes on.
    """
    failed = {}
    for number, step in enumerate(steps, 1):
        if lacking := absent(step.words):
            log.info(f"not run: {step.folder}: {lacking[0]} is not there")
            continue
        arguments = [*step.arguments, *(options if step.is_sweep else ())]
        log.info(f"{number} of {len(steps)}: {shown(step)}")
        status, said = _call([sys.executable, "-m", "ivr", step.program, *arguments])
        if status in _INTERRUPTED:
            raise SystemExit(130)
        if status:
            failed[step] = said or f"it ended with status {status}"
            log.info(f"failed: {failed[step]}")
    return failed


def shown(step: Step) -> str:
    """A step's command, as a person types it."""
    return f"{command(step.program)} {' '.join(map(shlex.quote, step.arguments))}"


def missing(steps: Sequence[Step], failed: dict[Step, str]) -> Table | None:
    """List what the plan has and the folder has not, and why; None where all is done.

    Args:
        steps: of the plan.
        failed: why commands could not run.
    """
    rows: list[tuple[str, str, str, str]] = []
    for step in steps:
        place, typed = f"{step.part}/{step.folder.name}", shown(step)
        if lacking := absent(step.words):
            names = ", ".join(map(str, lacking))
            rows.append((place, "all of it", f"{names} is not on this machine", typed))
        elif not step.is_sweep and step not in failed:
            continue
        elif not (step.folder / FILE).exists():
            rows.append((place, "all of it", failed.get(step, "not begun"), typed))
        elif step in failed and not _left(step.folder):
            rows.append((place, "all of it", failed[step], typed))
    for folder in dict.fromkeys(step.folder for step in steps):
        for name, status, why in _left(folder):
            rows.append((f"{folder.parent.name}/{folder.name}", name, why or status, ""))
    header = ["part", "job", "why", "command"]
    return Table("missing", "What is missing", header, rows) if rows else None


def _left(folder: Path) -> list[tuple[str, str, str | None]]:
    """The jobs of a sweep that are not done."""
    if not (folder / FILE).exists():
        return []
    try:
        jobs = read_sweep(folder)
    except UserError as error:
        return [(FILE, "damaged", str(error))]
    return [(job.name, job.status, job.error) for job in jobs if job.status != "done"]


def _call(arguments: Sequence[str]) -> tuple[int, str]:
    """Run a program to its end; its status, and the error that it ended with."""
    latest: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None
        while process.poll() is None:
            try:
                for line in process.stderr:
                    sys.stderr.write(line)
                    latest.append(line.strip())
                process.wait()
            except KeyboardInterrupt:
                continue  # the program has had it too, and saves what it has
    lines = [line for line in latest if line]
    begun = [i for i, line in enumerate(lines) if line.startswith("Error: ")]
    said = " ".join(lines[begun[-1] if begun else -1 :])
    return process.returncode, said.removeprefix("Error: ")[:500]
