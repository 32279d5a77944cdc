"""metrics.csv: every number of a run in one table."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TextIO

from torch import Tensor

from ivr.files import write_text, write_whole
from ivr.training.loggers.protocol import Scalars
from ivr.training.members import LABEL, Member

_LONGEST = 1000
"""Characters of a row at most."""


class CsvLogger:
    """Appends to metrics.csv, in the long form `update,member,metric,value`.

    Args:
        folder: of the run.
        members: one for each value of a metric.
    """

    HEADER = ("update", "member", "metric", "value")

    def __init__(self, folder: Path, members: Sequence[Member]) -> None:
        self.path = folder / "metrics.csv"
        self.labels = [member.label for member in members]
        if not self.path.exists():
            write_text(self.path, ",".join(self.HEADER) + "\n")

    def log(self, update: int, scalars: Scalars, histograms: dict[str, Tensor]) -> None:
        """Append one line for each member and metric."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for metric, values in scalars.items():
                for label, value in zip(self.labels, values, strict=True):
                    rows.writerow((update, label, metric, f"{value:.9g}"))

    def resume(self, update: int, evaluated: int) -> None:
        """Drop the rows after an update, evaluations' after theirs, and one that was cut short."""
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            header = ",".join(self.HEADER) + "\n"
            lines = (f"{line}\n" for line in _lines(file) if self._is_row(line, update, evaluated))
            write_whole(
                self.path, lambda new: new.writelines(x.encode() for x in chain((header,), lines))
            )

    def _is_row(self, line: str, update: int, evaluated: int) -> bool:
        """Whether a line is a row of this run, no later than what was saved of it."""
        row = line.split(",")
        if len(row) != len(self.HEADER) or not LABEL.fullmatch(row[1]) or not line.isprintable():
            return False
        try:
            float(row[3])
        except ValueError:
            return False
        last = evaluated if row[2].startswith("evaluation/") else update
        return re.fullmatch(r"[0-9]{1,18}", row[0]) is not None and int(row[0]) <= last

    def close(self) -> None:
        """Do nothing: no file is held open."""


def _lines(file: TextIO) -> Iterator[str]:
    """Read whole lines, piece by piece: a damaged file may hold no line break at all."""
    while piece := file.readline(_LONGEST):
        if piece.endswith("\n"):
            yield piece.rstrip("\r\n")
