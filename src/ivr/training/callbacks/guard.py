"""Freezes members that diverge, and lets one that is interrupted stop at a whole update."""

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.training.callbacks.frozen import MemberStates
from ivr.training.callbacks.states import checked_divergence
from ivr.training.members import Member

log = logging.getLogger(__name__)


SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
"""Ctrl-C, a kill, and what Slurm is told to send some time before the end (--signal=USR1@120)."""


class Interrupted(Exception):
    """Ctrl-C or a termination signal arrived; the state is that of a whole update."""


class InterruptGuard(pl.Callback):
    """Turns a signal of SIGNALS into `Interrupted` at a moment when the state is consistent.

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
            for which in SIGNALS:
                usual = which in (signal.SIGINT, signal.SIGTERM)
                if usual or signal.getsignal(which) == signal.SIG_DFL:  # else a launcher's own
                    self._previous[which] = signal.signal(which, self._request)

    def on_train_batch_start(self, *_: Any) -> None:
        """Stop where the state is whole: every callback has seen the end of the batch before."""
        self.check()

    def restore(self) -> None:
        """Give the signals back, unless Lightning has given back those that it had taken itself."""
        for which, handler in self._previous.items():
            if signal.getsignal(which) == self._request:
                signal.signal(which, handler)
        self._previous = {}

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class DivergenceGuard(pl.Callback):
    """Freezes a member that diverges, as it was before, and stops when none is left.

    A member diverges when a loss or a parameter of it is not finite. It comes before the callbacks
    that log and save.

    Args:
        members: of the run.
        checkpoint: the path of last.ckpt, for the message.
    """

    def __init__(self, members: list[Member], checkpoint: Path) -> None:
        self.members = members
        self.checkpoint = checkpoint
        self.diverged: list[dict[str, Any] | None] = [None] * len(members)
        """For each member that is frozen, the update, the term and what to do; else None."""
        self._states: MemberStates | None = None

    @property
    def frozen(self) -> list[int]:
        """The members that are frozen."""
        return [k for k, found in enumerate(self.diverged) if found is not None]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep the state that the first chunk of updates may spoil."""
        assert isinstance(module, OfflineAlgorithm)
        if len(self.members) > 1:
            self._states = MemberStates(module, trainer.optimizers)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Look at every loss of the chunk, and at every parameter.

        Raises:
            UserError: naming the first update, term and member, where all members have diverged.
        """
        assert isinstance(module, OfflineAlgorithm)
        # (R,), and one answer to wait for.
        health = torch.stack([r.values.sum(0) for r in module.records]).sum(0) + _largest(module)
        news = []
        for k, fine in enumerate(health.isfinite().tolist()):
            if not fine and self.diverged[k] is None:
                self.diverged[k] = _first(module, k)
                news += [k] if self.diverged[k] else []
        if len(self.frozen) == len(self.members):
            kept = f"The last good checkpoint is kept: {self.checkpoint}. "
            first = min(news, key=lambda k: (self.diverged[k] or {})["update"])
            raise UserError(
                f"{self._told(first)}. {kept if self.checkpoint.exists() else ''}{module.advice}"
            )
        for k in news:
            log.warning(
                f"{self._told(k)}: it stays as it was before, and the others train on. "
                f"{module.advice}"
            )
        if self._states is not None:
            if self.frozen:
                self._states.put_back(self.frozen)
            self._states.keep()

    def state_dict(self) -> dict[str, Any]:
        """Return which members are frozen."""
        return {"diverged": self.diverged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.diverged = checked_divergence(state_dict, len(self.members))

    def _told(self, k: int) -> str:
        found, label = self.diverged[k], self.members[k].label
        assert found is not None
        return f"the {found['term']} of member {label} is not finite at update {found['update']}"


def _largest(module: OfflineAlgorithm) -> Tensor:
    """Sum the largest absolute entries of each parameter, (R,): finite where all entries are."""
    parts = [p.detach().reshape(len(p), -1).abs().amax(1) for p in module.parameters()]
    return torch.stack(parts).sum(0)


def _first(module: OfflineAlgorithm, member: int) -> dict[str, Any] | None:
    """Find the first loss of the chunk that is not finite, or else a network that is not."""
    first = module.updates_done - len(module.records) + 1
    for update, record in enumerate(module.records, first):
        for name, values in zip(record.names, record.values, strict=True):
            if name.startswith("loss/") and not values[member].isfinite():
                term = f"{name.removeprefix('loss/')} loss"
                return {"update": update, "term": term, "advice": module.advice}
    for name, p in module.named_parameters():
        if not p[member].isfinite().all():
            term = f"parameter {name}"
            return {"update": module.updates_done, "term": term, "advice": module.advice}
    return None
