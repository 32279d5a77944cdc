"""Scores the policies while they train, and keeps each member as it was at its own best."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.evaluation.pictures import maze_picture, value_map
from ivr.evaluation.rollout import EnvironmentPool, Evaluation, evaluate
from ivr.evaluation.stepping.acting import begin_episodes
from ivr.files import write_whole
from ivr.training.loggers import MemberLogger, TensorBoardLogger
from ivr.types import ActFunction, Batch

# A picture takes about a third of a second to draw.
MAX_PICTURES = 4

Score = dict[str, float | int | None]


class _InterruptiblePolicy:
    """The policy, which gives an interruption a chance before every action."""

    def __init__(self, module: OfflineAlgorithm, check: Callable[[], None]) -> None:
        self.module = module
        self.check = check

    @torch.no_grad()
    def act(self, observations: Tensor) -> Tensor:
        return self.module.act(observations)

    def begin(self, slots: int) -> ActFunction:
        player = begin_episodes(self.module, slots)

        def checked(observations: Tensor, rewards: Tensor, starts: Tensor) -> Tensor:
            self.check()
            return player(observations, rewards, starts)

        return checked

    @torch.no_grad()
    def state_value(self, observations: Tensor) -> Tensor | None:
        return self.module.state_value(observations)


class EvaluationCallback(pl.Callback):
    """Evaluates every `every` updates and after the last one.

    Args:
        pool: environments of the task.
        every: updates between two evaluations.
        episodes: for each member.
        seed: of the episodes; the same start states every time, for every member.
        loggers: receive the scores.
        observations: some of the data's, for the value map of a maze.
        clean: transitions (N, ...) that the Bellman error is measured on.
        reward_scale: by which it is divided, squared: it is then in units of the recorded rewards.
        best_path: of the checkpoint that holds every member at its own best.
        description: kept in that checkpoint as "ivr".
        check: raises where the run was interrupted.
        announce: shows a line, and a score in a few words, to the person who watches.
    """

    def __init__(
        self,
        pool: EnvironmentPool,
        *,
        every: int,
        episodes: int,
        seed: int,
        loggers: list[MemberLogger],
        observations: Tensor,
        clean: Batch,
        reward_scale: float,
        best_path: Path,
        description: dict[str, Any],
        check: Callable[[], None],
        announce: Callable[[str, str], None],
    ) -> None:
        self.pool = pool
        self.every = every
        self.episodes = episodes
        self.seed = seed
        self.loggers = loggers
        self.observations = observations
        self.clean = clean
        self.reward_scale = reward_scale
        self.best_path = best_path
        self.description = description
        self.check = check
        self.announce = announce
        self.seconds = 0.0
        self.evaluated_at = 0
        self.last: list[Score] = []
        self.best: list[Score] = []
        self.best_scores: list[float] = []
        self.best_weights: dict[str, Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Catch up where a run was interrupted during an evaluation."""
        if trainer.global_step > self.evaluated_at:
            self._evaluate_if_due(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Evaluate where it is due."""
        self._evaluate_if_due(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run must know of earlier evaluations."""
        names = ("evaluated_at", "last", "best", "best_scores", "best_weights", "seconds")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` kept."""
        vars(self).update(state_dict)

    def _evaluate_if_due(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        update = trainer.global_step
        if update % self.every and update != trainer.max_steps:
            return
        assert isinstance(module, OfflineAlgorithm)
        started = time.perf_counter()
        policy = _InterruptiblePolicy(module, self.check)
        result = evaluate(
            self.pool,
            policy,
            members=module.runs,
            episodes=self.episodes,
            seed=self.seed,
            device=module.device,
            record_paths=True,
        )
        self.last = [
            {**score, "bellman_error": error}
            for score, error in zip(scores(result), self._bellman_errors(module), strict=True)
        ]
        self._keep_best(module, update, result)
        self._log(update, result, policy, time.perf_counter() - started)
        self.evaluated_at = update
        self.seconds += time.perf_counter() - started

    def _bellman_errors(self, module: OfflineAlgorithm) -> list[float] | list[None]:
        # The same transitions for every member.
        clean = self.clean.each(lambda part: part.expand(module.runs, *part.shape))
        errors = module.bellman_error(clean)
        if errors is None:
            return [None] * module.runs
        scaled: list[float] = (errors / self.reward_scale**2).tolist()
        return scaled

    def _keep_best(self, module: OfflineAlgorithm, update: int, result: Evaluation) -> None:
        weights = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
        if not self.best:
            self.best = [{**score, "update": update} for score in self.last]
            self.best_scores = result.score.tolist()
            self.best_weights = {name: tensor.clone() for name, tensor in weights.items()}
        for k, score in enumerate(result.score.tolist()):
            if score > self.best_scores[k]:
                self.best[k] = {**self.last[k], "update": update}
                self.best_scores[k] = score
                for name, tensor in weights.items():
                    self.best_weights[name][k] = tensor[k]
        content = {
            "ivr": self.description,
            "state_dict": self.best_weights,
            "updates": [score["update"] for score in self.best],
        }
        write_whole(self.best_path, lambda file: torch.save(content, file))

    def _log(
        self, update: int, result: Evaluation, policy: _InterruptiblePolicy, seconds: float
    ) -> None:
        members = len(self.last)
        scalars = {
            f"evaluation/{name}": [score[name] for score in self.last]
            for name in self.last[0]
            if name != "episodes" and self.last[0][name] is not None
        }
        scalars["evaluation/seconds"] = [seconds] * members
        scalars["evaluation/resident_mib"] = [psutil.Process().memory_info().rss / 2**20] * members
        for logger in self.loggers:
            logger.log(update, scalars, {})  # type: ignore[arg-type]
            if isinstance(logger, TensorBoardLogger) and result.paths is not None:
                self._log_pictures(update, result, policy, logger)
        shown = ", ".join(describe(score) for score in self.last)
        line = f"update {update}: {shown} ({self.episodes} episodes, {seconds:.1f} s)"
        self.announce(line, f"{result.score.mean():.1f}")

    def _log_pictures(
        self,
        update: int,
        result: Evaluation,
        policy: _InterruptiblePolicy,
        logger: TensorBoardLogger,
    ) -> None:
        maze = self.pool.task.maze
        assert maze and result.paths is not None and result.successes is not None
        for k in range(min(len(self.last), MAX_PICTURES)):
            values = value_map(
                policy, k, len(self.last), self.observations, maze, policy.module.device
            )
            title = f"update {update}: {describe(self.last[k])}"
            picture = maze_picture(maze, result.paths[k], result.successes[k], values, title)
            logger.log_image(update, k, "evaluation/maze", picture)


def scores(result: Evaluation) -> list[Score]:
    """One flat record for each member, as result.json shows it."""
    return [
        {
            "return_mean": float(result.return_mean[k]),
            "return_std": float(result.return_std[k]),
            "return_sem": float(result.return_sem[k]),
            "normalized_score": _number(result.normalized_score, k),
            "normalized_score_sem": _number(result.normalized_score_sem, k),
            "success_rate": _number(result.success_rate, k),
            "episodes": result.returns.shape[1],
        }
        for k in range(len(result.returns))
    ]


def describe(score: Score) -> str:
    """A score in a few words."""
    if score["success_rate"] is not None:
        return f"success {score['success_rate']:.2f}"
    if score["normalized_score"] is not None:
        return f"score {score['normalized_score']:.1f}"
    return f"return {score['return_mean']:.1f}"


def _number(values: Any, k: int) -> float | None:
    return None if values is None else float(values[k])
