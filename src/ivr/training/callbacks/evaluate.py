"""Decides when the policies are evaluated, and keeps what a resumed run must know of it."""

from typing import Any

import pytorch_lightning as pl

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.training.callbacks.metrics import share
from ivr.training.callbacks.states import checked_evaluation
from ivr.training.loggers.protocol import Scalars
from ivr.training.scoring.best import BestPolicies
from ivr.training.scoring.evaluator import Evaluator
from ivr.training.scoring.report import EvaluationReport, metrics
from ivr.training.scoring.scores import Score


class EvaluationCallback(pl.Callback):
    """Evaluates every `every` updates, which is an epoch, and after the last one.

    Args:
        every: updates between two evaluations.
        labels: the names of the members.
        evaluator: evaluates.
        best: keeps the best policies.
        report: logs, draws and announces.
    """

    def __init__(
        self,
        every: int,
        labels: list[str],
        evaluator: Evaluator,
        best: BestPolicies,
        report: EvaluationReport,
    ) -> None:
        self.every = every
        self.labels = labels
        self.evaluator = evaluator
        self.best = best
        self.report = report
        self.seconds = 0.0
        self.evaluated_at = 0
        self.last: list[Score] = []
        self.metrics: Scalars = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Catch up where a run was interrupted during an evaluation."""
        share(trainer, self.metrics, self.labels)
        update = trainer.global_step
        if update > self.evaluated_at and update % self.every == 0:
            self._evaluate(trainer, module)
            # That evaluation ended an epoch, which the other callbacks have not been told yet.
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                callback.on_train_epoch_end(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Evaluate where it is due."""
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            self._evaluate(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Evaluate where a callback ended the run between two evaluations."""
        if trainer.global_step > self.evaluated_at:
            self._evaluate(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run must know of earlier evaluations."""
        return {
            "evaluated_at": self.evaluated_at,
            "last": self.last,
            "metrics": self.metrics,
            "best": self.best.records,
            "best_scores": self.best.scores,
            "best_weights": self.best.weights,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            UserError: where a part is missing or of another type.
        """
        state = checked_evaluation(state_dict, len(self.labels))
        self.evaluated_at, self.seconds = state["evaluated_at"], state["seconds"]
        self.last, self.metrics = state["last"], state["metrics"]
        self.best.records, self.best.scores = state["best"], state["best_scores"]
        self.best.weights = state["best_weights"]

    def _evaluate(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, OfflineAlgorithm)
        evaluated = self.evaluator.evaluate(module, trainer.global_step)
        self.best.keep(module, evaluated)
        self.report.send(evaluated)
        self.last, self.metrics = evaluated.scores, metrics(evaluated)
        self.evaluated_at = evaluated.update
        self.seconds += evaluated.seconds
        share(trainer, self.metrics, self.labels)
