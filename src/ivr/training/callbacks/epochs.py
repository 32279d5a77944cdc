"""Keeps Lightning's counters: an epoch is the span between two evaluations, a step an update."""

from typing import Any

import pytorch_lightning as pl

from ivr.types import Batch


class Epochs(pl.Callback):
    """Counts updates where Lightning counts batches, which here are chunks of updates.

    Args:
        every: updates of an epoch.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, *_: Any
    ) -> None:
        """Set the step that Lightning's callbacks log at: of the chunk's last update, from 0.

        They log once every `log_every_n_steps`, at the chunk that ends there.
        """
        after = trainer.global_step + len(batch.rewards)
        trainer.fit_loop.epoch_loop._batches_that_stepped = after - 1

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Start Lightning's loops between two batches, at the number of updates done.

        Batches are a function of their update alone, so nothing else of the loops is resumed, and a
        checkpoint may be written at any moment.
        """
        update = checkpoint["updates_done"]
        epochs = dict.fromkeys(("ready", "started", "processed", "completed"), update // self.every)
        fit = trainer.fit_loop.state_dict()
        fit["epoch_progress"] = {"total": epochs, "current": dict(epochs)}
        steps = dict.fromkeys(("ready", "completed"), update)
        fit["epoch_loop.manual_optimization.optim_step_progress"]["total"].update(steps)
        fit["epoch_loop.state_dict"]["_batches_that_stepped"] = update
        checkpoint["loops"] = {
            "fit_loop": fit,
            "validate_loop": trainer.validate_loop.state_dict(),
            "test_loop": trainer.test_loop.state_dict(),
            "predict_loop": trainer.predict_loop.state_dict(),
        }


def due(trainer: pl.Trainer, every: int) -> bool:
    """Whether it is time for what happens every so many updates, and after the last one."""
    return trainer.global_step % every == 0 or trainer.global_step == trainer.max_steps
