"""TensorBoard, with one run for each member."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from ivr.training.loggers import board
from ivr.training.loggers.protocol import Scalars
from ivr.training.members import Member


class MemberTensorBoard:
    """Keeps a TensorBoard logger of Lightning for each member: charts lay them over each other.

    Args:
        folder: of the run; the files go to `tensorboard/LABEL` below it.
        members: one for each value of a metric.
    """

    def __init__(self, folder: Path, members: Sequence[Member]) -> None:
        self.folder = folder / "tensorboard"
        self.members = members
        self._loggers: list[TensorBoardLogger] | None = None
        self._purge_step: int | None = None
        self._settings: Mapping[str, Any] = {}
        self._swept: Mapping[str, Any] = {}

    @property
    def loggers(self) -> list[TensorBoardLogger]:
        """Those of the members, made at first use."""
        if self._loggers is None:
            self._loggers = [
                TensorBoardLogger(
                    self.folder, name=member.label, version="", purge_step=self._purge_step
                )
                for member in self.members
            ]
            for logger, member in zip(self._loggers, self.members, strict=True):
                board.write(logger.experiment, self._settings, self._swept, member)
        return self._loggers

    def log(self, update: int, scalars: Scalars, histograms: dict[str, Tensor]) -> None:
        """Write scalars and histograms."""
        for i, logger in enumerate(self.loggers):
            logger.log_metrics({tag: values[i] for tag, values in scalars.items()}, update)
            for tag, tensor in histograms.items():
                finite = tensor[i][tensor[i].isfinite()]
                if len(finite):  # a member that diverged may have none
                    logger.experiment.add_histogram(tag, finite, update)

    def log_image(self, update: int, member: int, tag: str, image: NDArray[np.uint8]) -> None:
        """Write an (H, W, 3) image."""
        self.loggers[member].experiment.add_image(tag, image, update, dataformats="HWC")

    def describe(self, settings: Mapping[str, Any], swept: Mapping[str, Any]) -> None:
        """Say what the run is, before anything of it is logged: see `board.write`."""
        self._settings, self._swept = settings, swept

    def resume(self, update: int, evaluated: int) -> None:
        """Tell TensorBoard to drop what lies after an update; one evaluation may be there twice."""
        self._purge_step = update + 1

    def close(self) -> None:
        """Flush and close."""
        for logger in self._loggers or []:
            logger.finalize("closed")
