"""Measures the members on what was held out, whether or not there is an environment."""

import math
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.training.callbacks.epochs import due
from ivr.training.callbacks.metrics import share
from ivr.training.callbacks.states import checked_held_out
from ivr.training.loggers.protocol import MemberLogger, Scalars
from ivr.training.scoring.best import BestPolicies
from ivr.training.scoring.held_out import HIGHER_IS_BETTER, HeldOut, followed
from ivr.training.scoring.scores import Score


class HeldOutCallback(pl.Callback):
    """Measures every `every` updates, and after the last one.

    Args:
        every: updates between two.
        labels: the names of the members.
        held_out: what is measured.
        loggers: get the measures as held_out/NAME.
        announce: shows a line, and a number with its name.
        best: keeps the best policies by `best_by`; None where the scores of an environment do.
        best_by: a measure, or auto; see `followed`.
    """

    def __init__(
        self,
        every: int,
        labels: list[str],
        held_out: HeldOut,
        loggers: list[MemberLogger],
        announce: Callable[[str, str, str], None],
        best: BestPolicies | None,
        best_by: str,
    ) -> None:
        self.every = every
        self.labels = labels
        self.held_out = held_out
        self.loggers = loggers
        self.announce = announce
        self.best = best
        self.best_by = best_by
        self.seconds = 0.0
        self.measured_at = 0
        self.last: list[Score] = []
        self.ranking: list[float] = []
        """Of the latest measures, by the one that is followed; the higher the better."""

    @property
    def followed(self) -> str | None:
        """The measure that best.ckpt follows; None where it follows scores, or nothing yet."""
        if self.best is None or not self.last:
            return None
        return followed(self.best_by, sorted(self.last[0]))

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Refuse a measure that there is not; share what a resumed run knows."""
        assert isinstance(module, OfflineAlgorithm)
        if not self.last:
            names = sorted(HeldOut(self.held_out.batches[:1], 1.0).measure(module)[0])
            followed(self.best_by, names)
        share(trainer, self._scalars(), self.labels)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Measure where it is due."""
        if due(trainer, self.every):
            self._measure(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure where a callback ended the run between two evaluations."""
        if trainer.global_step > self.measured_at:
            self._measure(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run must know of earlier measures."""
        best = self.best
        return {
            "measured_at": self.measured_at,
            "last": self.last,
            "ranking": self.ranking,
            "best": best.records if best else [],
            "best_scores": best.scores if best else [],
            "best_weights": best.weights if best else {},
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            UserError: where a part is missing or of another type.
        """
        state = checked_held_out(state_dict, len(self.labels))
        self.measured_at, self.seconds = state["measured_at"], state["seconds"]
        self.last, self.ranking = state["last"], state["ranking"]
        if self.best is not None:
            self.best.records, self.best.scores = state["best"], state["best_scores"]
            self.best.weights = state["best_weights"]

    def _scalars(self) -> Scalars:
        """The measures by the names that loggers show; NaN where one is not finite."""
        return {
            f"held_out/{name}": [_number(record[name]) for record in self.last]
            for name in (self.last[0] if self.last else ())
        }

    def _measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, OfflineAlgorithm)
        started, update = time.perf_counter(), trainer.global_step
        measured = self.held_out.measure(module)
        self.last = [{**record, "update": update} for record in measured]
        self.measured_at = update
        scalars = self._scalars()
        scalars.pop("held_out/update")
        for logger in self.loggers:
            logger.log(update, scalars, {})
        by = self.followed or followed("auto", list(measured[0]))
        values = [_number(record[by]) for record in measured]
        self.ranking = [value if by in HIGHER_IS_BETTER else -value for value in values]
        if self.best is not None:
            self.best.keep(module, update, self.last, self.ranking)
        self.seconds += time.perf_counter() - started
        shown = ", ".join(f"{value:.4g}" for value in values)
        mean = f"{sum(values) / len(values):.4g}"
        self.announce(f"update {update}: held-out {by} {shown}", mean, by)
        share(trainer, scalars, self.labels)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
