"""What a person chose of Lightning: loggers, callbacks and options of the Trainer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.loggers import Logger

from ivr.training.loggers.metrics_csv import CsvLogger
from ivr.training.loggers.protocol import MemberLogger
from ivr.training.loggers.stock import SharedMetrics, StockLogger
from ivr.training.loggers.tensorboard import MemberTensorBoard
from ivr.training.members import Member

MakeLogger = Callable[[Path, Sequence[Member]], MemberLogger]
"""Makes a logger that knows members, from the run's folder and its members."""


@dataclass(frozen=True)
class Doors:
    """Loggers, callbacks and options of the Trainer; by default those of `python train.py`."""

    loggers: Sequence[Logger | MakeLogger] = (CsvLogger, MemberTensorBoard)
    callbacks: Sequence[pl.Callback] = ()
    trainer: dict[str, Any] = field(default_factory=dict)
    swept: dict[str, Any] = field(default_factory=dict)
    """Values of the options that the run's sweep sweeps over; empty for a single run."""

    def open_loggers(
        self, folder: Path, members: list[Member], hyperparameters: dict[str, Any]
    ) -> tuple[list[MemberLogger], list[Logger]]:
        """Open the loggers of members, and those that Lightning is to know."""
        ours = [x(folder, members) for x in self.loggers if not isinstance(x, Logger)]
        stock = [x for x in self.loggers if isinstance(x, Logger)]
        each = {"seeds": [m.seed for m in members], "alphas": [m.alpha for m in members]}
        for logger in stock:
            logger.log_hyperparams(hyperparameters | each)
        for mine in ours:
            if isinstance(mine, MemberTensorBoard):
                mine.describe(hyperparameters, self.swept)
        shared = [SharedMetrics(list(ours), len(members), folder)] if ours else []
        return [*ours, *(StockLogger(x, members) for x in stock)], [*stock, *shared]

    @property
    def has_progress_bar(self) -> bool:
        """Whether a callback takes the place of the progress bar."""
        return any(isinstance(callback, ProgressBar) for callback in self.callbacks)

    @property
    def boundaries(self) -> list[int]:
        """Numbers of updates at whose multiples a callback saves."""
        found = [c._every_n_train_steps for c in self.callbacks if isinstance(c, ModelCheckpoint)]
        return [every for every in found if every > 0]
