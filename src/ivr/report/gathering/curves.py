"""Reads what each run's metrics.csv says of its evaluations."""

import re
from collections.abc import Collection
from pathlib import Path

from ivr.report.gathering.groups import SeedGroup
from ivr.training.members import Member
from ivr.training.plain import HUGE

_UPDATE = re.compile(r"[0-9]{1,18}")
_LONGEST = 1000
"""Characters of a row at most."""

Series = dict[int, float]
"""Value by update."""


def read_metrics(path: Path, metrics: Collection[str]) -> dict[tuple[str, str], Series]:
    """Read some metrics of a metrics.csv, by member and metric; what is no row is passed over."""
    found: dict[tuple[str, str], Series] = {}
    if not path.is_file():
        return found
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        while line := file.readline(_LONGEST):
            row = line.rstrip("\r\n").split(",")
            if len(row) != 4 or row[2] not in metrics or not _UPDATE.fullmatch(row[0]):
                continue
            try:
                value = float(row[3])
            except ValueError:
                continue
            if abs(value) < HUGE:
                found.setdefault((row[1], row[2]), {})[int(row[0])] = value
    return found


class Curves:
    """Reads each file once, whatever is asked of it."""

    def __init__(self, metrics: Collection[str]) -> None:
        self.metrics = metrics
        self._files: dict[Path, dict[tuple[str, str], Series]] = {}

    def of(self, group: SeedGroup, metric: str) -> list[Series]:
        """One series for each seed of a group that has one."""
        return [series for series in self.by_seed(group, metric) if series]

    def by_seed(self, group: SeedGroup, metric: str) -> list[Series]:
        """One series for each seed of a group, empty where it has none."""
        found = []
        for run in group.runs.values():
            path = run.place.with_name("metrics.csv")
            if path not in self._files:
                self._files[path] = read_metrics(path, self.metrics)
            label = Member(run.seed, group.alpha).label
            found.append(self._files[path].get((label, metric), {}))
        return found
