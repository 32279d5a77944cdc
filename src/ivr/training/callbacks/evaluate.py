"""Decides when the policies are evaluated, and keeps what a resumed run must know of it."""

import logging
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.evaluation.rollout import EvaluationError
from ivr.training.callbacks.epochs import due
from ivr.training.callbacks.metrics import share
from ivr.training.callbacks.states import checked_evaluation
from ivr.training.loggers.protocol import Scalars
from ivr.training.scoring.best import BestPolicies
from ivr.training.scoring.episodes import Episodes
from ivr.training.scoring.evaluator import Evaluator
from ivr.training.scoring.report import EvaluationReport, metrics
from ivr.training.scoring.scores import Score, without_score

log = logging.getLogger(__name__)


class EvaluationCallback(pl.Callback):
    """Evaluates every `every` updates, which is an epoch, and after the last one.

    Args:
        every: updates between two evaluations.
        labels: the names of the members.
        evaluator: evaluates.
        best: keeps the best policies.
        report: logs, draws and announces.
        save: saves the run: an evaluation runs the code of others, and may end this process.
        continue_after_errors: whether the training goes on where an environment fails.
    """

    def __init__(
        self,
        every: int,
        labels: list[str],
        evaluator: Evaluator,
        best: BestPolicies,
        report: EvaluationReport,
        save: Callable[[pl.Trainer], None],
        continue_after_errors: bool = False,
    ) -> None:
        self.every = every
        self.labels = labels
        self.evaluator = evaluator
        self.best = best
        self.report = report
        self.save = save
        self.continue_after_errors = continue_after_errors
        self.failures: list[dict[str, Any]] = []
        """Update and error of each evaluation that failed."""
        self.seconds = 0.0
        self.evaluated_at = 0
        self.last: list[Score] = []
        self.episodes: list[Episodes] = []
        """Of the latest evaluation."""
        self.metrics: Scalars = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Catch up where a run was interrupted during an evaluation."""
        share(trainer, self.metrics, self.labels)
        update = trainer.global_step
        if update > self.evaluated_at and update % self.every == 0:
            self._evaluate(trainer, module)
            # That evaluation ended an epoch, which the other callbacks do not know of yet.
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                callback.on_train_epoch_end(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Evaluate where it is due."""
        if due(trainer, self.every):
            self._evaluate(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Evaluate where a callback ended the run between two evaluations."""
        if trainer.global_step > self.evaluated_at:
            self._evaluate(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run must know of earlier evaluations."""
        return {
            "evaluated_at": self.evaluated_at,
            "failures": self.failures,
            "last": self.last,
            "last_episodes": self.episodes,
            "metrics": self.metrics,
            "best": self.best.records,
            "best_episodes": self.best.episodes,
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
        self.failures = state["failures"]
        self.episodes, self.best.episodes = state["last_episodes"], state["best_episodes"]
        self.best.records, self.best.scores = state["best"], state["best_scores"]
        self.best.weights = state["best_weights"]

    def _evaluate(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, OfflineAlgorithm)
        self.save(trainer)
        try:
            evaluated = self.evaluator.evaluate(module, trainer.global_step)
        except EvaluationError as error:
            if not self.continue_after_errors:
                raise EvaluationError(
                    f"{error}. Update {trainer.global_step} is saved: once that is mended, "
                    f"resume={self.best.path.with_name('last.ckpt')} evaluates it again, and "
                    "eval_errors=continue trains on without such an evaluation"
                ) from error
            log.warning(f"update {trainer.global_step}: not evaluated, as {error}")
            self.failures.append({"update": trainer.global_step, "error": str(error)})
            self.last, self.episodes, self.evaluated_at = [], [], trainer.global_step
            return
        warning = without_score(evaluated.result, self.labels)
        if warning is not None:
            log.warning(f"update {evaluated.update}: {warning}")
        self.best.keep(
            module,
            evaluated.update,
            evaluated.scores,
            evaluated.result.score.tolist(),
            evaluated.episodes,
        )
        self.report.send(evaluated)
        self.last, self.metrics = evaluated.scores, metrics(evaluated)
        self.episodes = evaluated.episodes
        self.evaluated_at = evaluated.update
        self.seconds += evaluated.seconds
        share(trainer, self.metrics, self.labels)
