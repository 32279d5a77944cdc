"""Evaluates the policies of a training."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.evaluation.rollout import EnvironmentPool, Evaluation, evaluate
from ivr.evaluation.stepping.acting import begin_episodes
from ivr.training.scoring.scores import Score, scores
from ivr.types import ActFunction, Batch


class InterruptiblePolicy:
    """Acts as the module does, and gives an interruption a chance before every action."""

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


@dataclass(frozen=True)
class Evaluated:
    """What came out of an evaluation."""

    update: int
    result: Evaluation
    scores: list[Score]
    """One record for each member."""
    policy: InterruptiblePolicy
    started: float
    """On the clock of `time.perf_counter`."""

    @property
    def seconds(self) -> float:
        """Since it started."""
        return time.perf_counter() - self.started


@dataclass(frozen=True)
class Evaluator:
    """Rolls the policies out, and measures their Bellman errors."""

    pool: EnvironmentPool
    """Environments of the task."""
    episodes: int
    """For each member."""
    seed: int
    """Of the episodes; the same start states every time, for every member."""
    clean: Batch
    """Transitions (N, ...) that the Bellman error is measured on."""
    reward_scale: float
    """By which it is divided, squared: it is then in units of the recorded rewards."""
    check: Callable[[], None]
    """Raises where the run was interrupted."""
    labels: list[str]
    """The names of the members."""

    def evaluate(self, module: OfflineAlgorithm, update: int) -> Evaluated:
        """Evaluate every member on the same episodes.

        Raises:
            EvaluationError: an environment failed.
        """
        started = time.perf_counter()
        policy = InterruptiblePolicy(module, self.check)
        result = evaluate(
            self.pool,
            policy,
            members=module.runs,
            episodes=self.episodes,
            seed=self.seed,
            device=module.device,
            record_paths=True,
            labels=self.labels,
        )
        found = [
            {**score, "bellman_error": error}
            for score, error in zip(scores(result), self._bellman_errors(module), strict=True)
        ]
        return Evaluated(update, result, found, policy, started)

    def _bellman_errors(self, module: OfflineAlgorithm) -> list[float] | list[None]:
        # The same transitions for every member.
        clean = self.clean.each(lambda part: part.expand(module.runs, *part.shape))
        errors = module.bellman_error(clean)
        if errors is None:
            return [None] * module.runs
        scaled: list[float] = (errors / self.reward_scale**2).tolist()
        return scaled
