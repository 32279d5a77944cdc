"""Saves last.ckpt, from which a run resumes."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, Timer

from ivr.algos.engine.base import OfflineAlgorithm


class LastCheckpoint(Checkpoint):
    """Writes checkpoints/last.ckpt every `every` updates, at the end, and when interrupted.

    Lightning calls checkpoint callbacks after all others, so the file holds what an `EarlyStopping`
    made of the evaluation before it.

    Args:
        folder: of the checkpoints.
        every: updates between two.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.path = folder / "last.ckpt"
        self.every = every
        self.stopped_early = False
        """Whether a callback ended the run before its last update."""
        self._ended_length = 0.0
        """num_updates of a run that a callback ended: resumed to no more it stays ended. 0 of any
        other, such as one whose time ran out."""
        self._saved_at = -1
        self._lacks_evaluation = False

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Train no further where the run was ended."""
        trainer.should_stop = trainer.should_stop or trainer.max_steps <= self._ended_length

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save where it is due, unless the epoch ends here: its callbacks come first."""
        if trainer.global_step % self.every == 0 and not trainer.is_last_batch:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save where it is due, or where the file lacks the evaluation that has just been made."""
        if trainer.global_step % self.every == 0 or self._lacks_evaluation:
            self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save the end of the run."""
        stopped = trainer.global_step < trainer.max_steps
        saved = self._saved_at == trainer.global_step and not self._lacks_evaluation
        if stopped != self.stopped_early or not saved:
            self.stopped_early = stopped
            self._ended_length = trainer.max_steps if stopped and not _timed_out(trainer) else 0
            self.save(trainer)

    def save_before_evaluation(self, trainer: pl.Trainer) -> None:
        """Save what an evaluation that fails would lose; a run resumes with that evaluation."""
        if self._saved_at != trainer.global_step:
            self.save(trainer)
        self._lacks_evaluation = True

    def save(self, trainer: pl.Trainer) -> None:
        """Save now, unless a parameter is not finite: the last good checkpoint stays in place."""
        module = trainer.lightning_module
        assert isinstance(module, OfflineAlgorithm)
        if all(bool(p.isfinite().all()) for p in module.parameters()):
            trainer.save_checkpoint(self.path)
            self._saved_at = trainer.global_step
            self._lacks_evaluation = False

    def state_dict(self) -> dict[str, Any]:
        """Return whether the run ended early, and the length that it was ended at."""
        return {"stopped_early": self.stopped_early, "ended_length": self._ended_length}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.stopped_early = state_dict.get("stopped_early") is True
        # An earlier version said no length, and its runs stay ended.
        of_earlier = math.inf if self.stopped_early else 0.0
        length = state_dict.get("ended_length", of_earlier)
        self._ended_length = length if isinstance(length, int | float) else 0.0


def _timed_out(trainer: pl.Trainer) -> bool:
    timers = (one for one in trainer.callbacks if isinstance(one, Timer))  # type: ignore[attr-defined]
    left = (timer.time_remaining() for timer in timers)
    return any(seconds is not None and seconds <= 0 for seconds in left)
