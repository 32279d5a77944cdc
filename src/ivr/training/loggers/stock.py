"""Lightning's loggers beside ours: stock ones get plain names, its callbacks reach all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger
from torch import Tensor

from ivr.training.loggers.protocol import MemberLogger, Scalars, plain
from ivr.training.members import Member


class StockLogger:
    """Hands the metrics of all members to one of Lightning's loggers, by plain names.

    Histograms and pictures are left out: each service has a call of its own for them.
    """

    def __init__(self, logger: Logger, members: Sequence[Member]) -> None:
        self.logger = logger
        self.labels = [member.label for member in members]

    def log(self, update: int, scalars: Scalars, histograms: dict[str, Tensor]) -> None:
        """Log the mean over members, and each of several members."""
        self.logger.log_metrics(plain(scalars, self.labels), step=update)

    def resume(self, update: int, evaluated: int) -> None:
        """Do nothing: what a service has received it keeps."""

    def close(self) -> None:
        """Flush; the next run of this process gets a W&B run of its own."""
        self.logger.finalize("success")
        if isinstance(self.logger, WandbLogger):
            self.logger.experiment.finish()


class SharedMetrics(Logger):
    """Takes what Lightning's callbacks log, such as learning rates, to the loggers of members."""

    def __init__(self, loggers: list[MemberLogger], members: int, folder: Path) -> None:
        super().__init__()
        self.loggers = loggers
        self.members = members
        self.folder = folder

    @property
    def name(self) -> str:
        return "."

    @property
    def version(self) -> str:
        return "."

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log the same value for every member."""
        scalars = {name: [float(value)] * self.members for name, value in metrics.items()}
        for logger in self.loggers:
            logger.log(step or 0, scalars, {})

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Do nothing: the loggers of members are given them at the end."""
