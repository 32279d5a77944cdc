"""Where numbers go: metrics.csv and TensorBoard, one series for each member."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from ivr.files import write_text
from ivr.training.members import Member

Scalars = dict[str, list[float]]


class MemberLogger(Protocol):
    """Receives scalars and histograms with a leading member axis."""

    def log(self, update: int, scalars: Scalars, histograms: dict[str, Tensor]) -> None:
        """One row for each member at an update."""

    def resume(self, update: int) -> None:
        """Forget what was logged after this update: it is about to be logged again."""

    def close(self) -> None:
        """Flush."""


class CsvLogger:
    """metrics.csv in the long form `update,member,metric,value`, appended to."""

    HEADER = ("update", "member", "metric", "value")

    def __init__(self, path: Path, members: list[Member]) -> None:
        self.path = path
        self.labels = [member.label for member in members]
        if not path.exists():
            write_text(path, ",".join(self.HEADER) + "\n")

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
        """Nothing is held open."""


class TensorBoardLogger:
    """One TensorBoard run for each member, so that its charts lay them over each other."""

    def __init__(self, folder: Path, members: list[Member]) -> None:
        self.folders = [folder / member.label for member in members]
        self.members = members
        self._writers: list[SummaryWriter] | None = None
        self._purge_step: int | None = None

    @property
    def writers(self) -> list[SummaryWriter]:
        """Opened at first use."""
        if self._writers is None:
            self._writers = [
                SummaryWriter(str(f), purge_step=self._purge_step) for f in self.folders
            ]
        return self._writers

    def log(self, update: int, scalars: Scalars, histograms: dict[str, Tensor]) -> None:
        """Write scalars and histograms."""
        for i, writer in enumerate(self.writers):
            for tag, values in scalars.items():
                writer.add_scalar(tag, values[i], update)
            for tag, tensor in histograms.items():
                writer.add_histogram(tag, tensor[i], update)

    def log_image(self, update: int, member: int, tag: str, image: NDArray[np.uint8]) -> None:
        """Write an (H, W, 3) image."""
        self.writers[member].add_image(tag, image, update, dataformats="HWC")

    def log_hyperparameters(
        self,
        update: int,
        settings: dict[str, Any],
        final: Sequence[Mapping[str, float | int | None]],
    ) -> None:
        """Fill the hparams tab: settings, seed and alpha against each member's final scores."""
        for writer, member, score in zip(self.writers, self.members, final, strict=True):
            values = {**settings, "seed": member.seed}
            if member.alpha is not None:
                values["alpha"] = member.alpha
            scores = {f"final/{name}": value for name, value in score.items() if value is not None}
            # SummaryWriter.add_hparams would open a run of its own beside the member's.
            for summary in hparams(values, scores):  # type: ignore[no-untyped-call]
                writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]
            for tag, value in scores.items():
                writer.add_scalar(tag, value, update)

    def resume(self, update: int) -> None:
        """Tell TensorBoard to drop what lies after an update."""
        self._purge_step = update + 1

    def close(self) -> None:
        """Flush and close."""
        for writer in self._writers or []:
            writer.close()
