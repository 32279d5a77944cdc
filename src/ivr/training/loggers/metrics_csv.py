"""metrics.csv: every number of a run in one table."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ivr.files import write_text
from ivr.training.loggers.protocol import Scalars
from ivr.training.members import Member


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
        with self.path.open("a", newline="") as file:
            rows = csv.writer(file)
            for metric, values in scalars.items():
                for label, value in zip(self.labels, values, strict=True):
                    rows.writerow((update, label, metric, f"{value:.9g}"))

    def resume(self, update: int) -> None:
        """Drop the rows after an update, and a last row that was cut short."""
        kept = io.StringIO()
        rows = csv.writer(kept, lineterminator="\n")
        rows.writerow(self.HEADER)
        with self.path.open(newline="") as file:
            for row in csv.reader(file):
                if len(row) == len(self.HEADER) and row[0].isdigit() and int(row[0]) <= update:
                    rows.writerow(row)
        write_text(self.path, kept.getvalue())

    def close(self) -> None:
        """Do nothing: no file is held open."""
