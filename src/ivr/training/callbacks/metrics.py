"""Logs means over the updates since the last row, and shares metrics with other callbacks."""

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.records import Sums
from ivr.training.callbacks.epochs import due
from ivr.training.loggers.protocol import MemberLogger, Scalars, plain


class MetricsRecorder(pl.Callback):
    """Logs each metric's mean every `every` updates, with the update's number as the step."""

    def __init__(
        self,
        every: int,
        labels: list[str],
        loggers: list[MemberLogger],
        frozen: Callable[[], list[int]] = list,
    ) -> None:
        self.every = every
        self.labels = labels
        self.loggers = loggers
        self.frozen = frozen
        """Gives the members that do not train any more: their metrics are NaN."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Log where a row is due."""
        if due(trainer, self.every):
            self._log(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the last row of a run that a callback ended."""
        assert isinstance(module, OfflineAlgorithm)
        if trainer.global_step < trainer.max_steps and module.records and module.sums.means():
            self._log(trainer, module)

    def _log(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        update = trainer.global_step
        assert isinstance(module, OfflineAlgorithm)
        means = {key: mean.tolist() for key, mean in module.sums.means().items()}
        for k in self.frozen():
            for values in means.values():
                values[k] = math.nan
        module.sums = Sums()
        for name in module.trained_networks:
            means[f"learning_rate/{name}"] = [module.learning_rate(name, update)] * module.runs
        histograms = {
            key.removeprefix("histogram/"): value.cpu()
            for key, value in module.last_metrics.items()
            if key.startswith("histogram/")
        }
        for logger in self.loggers:
            logger.log(update, means, histograms)
        share(trainer, means, self.labels)


def share(trainer: pl.Trainer, scalars: Scalars, labels: list[str]) -> None:
    """Put metrics where Lightning's callbacks look for what they monitor."""
    values = plain(scalars, labels)
    trainer.callback_metrics.update({k: torch.tensor(float(v)) for k, v in values.items()})
