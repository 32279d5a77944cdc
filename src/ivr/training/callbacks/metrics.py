"""Means over the updates since the last row, for every logger."""

from typing import Any

import pytorch_lightning as pl

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.records import Sums
from ivr.training.loggers import MemberLogger


class MetricsRecorder(pl.Callback):
    """Logs each metric's mean every `every` updates, with the update's number as the step."""

    def __init__(self, every: int, loggers: list[MemberLogger]) -> None:
        self.every = every
        self.loggers = loggers

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Log where a row is due."""
        update = trainer.global_step
        if update % self.every and update != trainer.max_steps:
            return
        assert isinstance(module, OfflineAlgorithm)
        means = {key: mean.tolist() for key, mean in module.sums.means().items()}
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
