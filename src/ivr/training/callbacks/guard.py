"""Stops a run that diverges, and lets one that is interrupted stop at a whole update."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.training.members import Member


class Interrupted(Exception):
    """Ctrl-C or a termination signal arrived; the state is that of a whole update."""


class InterruptGuard(pl.Callback):
    """Turns SIGINT and SIGTERM into `Interrupted` at a moment when the state is consistent.

    A second Ctrl-C stops at once, with whatever checkpoint was last written.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise `Interrupted` where a signal has arrived."""
        if self.requested:
            raise Interrupted

    def on_train_start(self, *_: Any) -> None:
        """Take over the signals; Lightning has installed its own by now."""
        if threading.current_thread() is threading.main_thread():
            for which in (signal.SIGINT, signal.SIGTERM):
                self._previous[which] = signal.signal(which, self._request)

    def on_train_batch_start(self, *_: Any) -> None:
        """Stop where the state is whole: every callback has seen the end of the batch before."""
        self.check()

    def restore(self) -> None:
        """Give the signals back."""
        for which, handler in self._previous.items():
            signal.signal(which, handler)
        self._previous = {}

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class DivergenceGuard(pl.Callback):
    """Stops the run at the first loss that is not finite, before anything is saved over."""

    def __init__(self, members: list[Member], checkpoint: Path) -> None:
        self.members = members
        self.checkpoint = checkpoint

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Look at every loss of the chunk.

        Raises:
            UserError: naming the first update, term and member.
        """
        assert isinstance(module, OfflineAlgorithm)
        # (C, M, R), and one answer to wait for.
        if bool(torch.stack([r.values.sum() for r in module.records]).isfinite().all()):
            return
        first = module.updates_done - len(module.records) + 1
        for update, record in enumerate(module.records, first):
            for name, values in zip(record.names, record.values, strict=True):
                diverged = (~values.isfinite()).nonzero().flatten().tolist()
                if diverged and name.startswith("loss/"):
                    self._stop(name.removeprefix("loss/"), diverged[0], update, module.advice)

    def _stop(self, term: str, member: int, update: int, advice: str) -> None:
        kept = f"The last good checkpoint is kept: {self.checkpoint}. "
        raise UserError(
            f"the {term} loss of member {self.members[member].label} is not finite at update "
            f"{update}. {kept if self.checkpoint.exists() else ''}{advice}"
        )
