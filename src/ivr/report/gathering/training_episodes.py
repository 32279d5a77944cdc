"""Reads the episodes.csv of runs that went online."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ivr.report.gathering.groups import Floats, Run


class Episodes(NamedTuple):
    """The training episodes of one member, in their order."""

    steps: Floats
    """Environment steps of the member up to the end of each, (E,)."""
    returns: Floats
    """(E,)."""


def read_episodes(path: Path) -> dict[str, Episodes]:
    """Read an episodes.csv, by member; what is no row is passed over."""
    rows: dict[str, list[tuple[int, float]]] = {}
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                try:
                    step, total = int(row["env_steps"]), float(row["return"])
                except (KeyError, TypeError, ValueError):
                    continue
                if math.isfinite(total):
                    rows.setdefault(str(row.get("member")), []).append((step, total))
    return {label: Episodes(*np.array(found, np.float64).T) for label, found in rows.items()}


def spread_of(run: Run) -> float | None:
    """The range of returns by which a run's losses are measured; None where it is not known."""
    found = (run.member.get("online") or {}).get("spread")
    if isinstance(found, int | float) and found > 0:
        return float(found)
    # What runs of another program are measured by, which have no such entry.
    evaluation = run.result.get("evaluation") or {}
    reference = evaluation.get("reference")
    if evaluation.get("metric") == "success":
        return 1.0
    return float(reference[1]) - float(reference[0]) if reference else None
