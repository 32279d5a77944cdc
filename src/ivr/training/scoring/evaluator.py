"""Evaluates the policies of a training."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.evaluation.rollout import EnvironmentPool, Evaluation, evaluate
from ivr.evaluation.scores import Floats
from ivr.evaluation.stepping.acting import begin_episodes
from ivr.training.scoring.episodes import Episodes, episodes, in_units_of_value
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
    episodes: list[Episodes]
    """What each member did in its episodes."""
    policy: InterruptiblePolicy
    started: float
    """On the clock of `time.perf_counter`."""

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return time.perf_counter() - self.started


@dataclass(frozen=True)
class Evaluator:
    """Rolls the policies out, and measures their Bellman errors."""

    pool: EnvironmentPool
    """Environments of the task."""
    episodes: int
    """How many each member plays."""
    seed: int
    """Of the episodes; the same start states every time, for every member."""
    clean: Batch
    """Transitions (N, ...) that the Bellman error is measured on."""
    reward_scale: float
    """By which it is divided, squared: it is then in units of the recorded rewards."""
    reward_shift: float
    """Rewards are trained on times the scale and plus this."""
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
        discount = getattr(module, "discount", None)
        result = evaluate(
            self.pool,
            policy,
            members=module.runs,
            episodes=self.episodes,
            seed=self.seed,
            device=module.device,
            record_paths=True,
            labels=self.labels,
            discount=discount,
        )
        values, returned = self._values(module, result, discount)
        found = [
            {**score, "bellman_error": error, **_mean("value_start", values, k)}
            | _mean("discounted_return", returned, k)
            for k, (score, error) in enumerate(
                zip(scores(result), self._bellman_errors(module), strict=True)
            )
        ]
        return Evaluated(update, result, found, episodes(result, values, returned), policy, started)

    @torch.no_grad()
    def _values(
        self, module: OfflineAlgorithm, result: Evaluation, discount: float | None
    ) -> tuple[Floats | None, Floats | None]:
        """What each member expected where its episodes began, and what came: (R, E) each."""
        if discount is None or result.starts is None:
            return None, None
        expected = module.expected_return(torch.from_numpy(result.starts).to(module.device))
        if expected is None:
            return None, None
        returned = in_units_of_value(result, discount, self.reward_scale, self.reward_shift)
        return expected.double().cpu().numpy(), returned

    def _bellman_errors(self, module: OfflineAlgorithm) -> list[float] | list[None]:
        # The same transitions for every member.
        clean = self.clean.each(lambda part: part.expand(module.runs, *part.shape))
        errors = module.bellman_error(clean)
        if errors is None:
            return [None] * module.runs
        scaled: list[float] = (errors / self.reward_scale**2).tolist()
        return scaled


def _mean(name: str, values: Floats | None, k: int) -> Score:
    """Nothing of an algorithm that expects nothing."""
    return {} if values is None else {name: float(values[k].mean())}
