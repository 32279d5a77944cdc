"""Makes and steps the environments of one process."""

import math
import traceback
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError
from ivr.evaluation.task.task import TASKS, Task
from ivr.evaluation.task.wrappers import Env


class Step(NamedTuple):
    """The result of a step, as far as a rollout uses it."""

    observation: NDArray[np.float32]
    reward: float
    terminated: bool
    truncated: bool
    success: bool
    completed: int
    """Tasks of the episode that are done."""


def recorded_reward(task: Task, reward: float, completed: int) -> float:
    """The reward of a step as the task's data record it.

    It is what a policy that remembers its rewards, or trains on them, compares with the data's.
    Kitchen's data pay every finished task at every step; its environment pays each once.
    """
    return float(completed) if task.metric == "tasks" else reward


class Failure(NamedTuple):
    """What went wrong in an environment, in the place of an observation or a step."""

    reason: str


class EvaluationError(UserError):
    """An environment failed: the policies are not to blame, and training can go on without it."""


class Environments:
    """Environments of a task, by number."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.made: dict[int, Env] = {}

    def make(self, slots: list[int]) -> None:
        """Make the environments of these numbers, where they are not there yet."""
        for slot in slots:
            if slot not in self.made:
                self.made[slot] = self.task.make_env()

    def reset(self, slot: int, seed: int) -> NDArray[np.float32] | Failure:
        """Begin an episode; the first observation (O,)."""
        try:
            observation: NDArray[np.float32] = self.made[slot].reset(seed=seed)[0]
        except Exception as error:  # whatever an environment raises
            return failure(error)
        return _unusable(observation) or observation

    def step(self, slots: list[int], actions: NDArray[np.float32]) -> list[Step | Failure]:
        """Step the environments of these numbers with their actions (slots, A)."""
        return [self._step(self.made[s], a) for s, a in zip(slots, actions, strict=True)]

    def _step(self, env: Env, action: NDArray[np.float32]) -> Step | Failure:
        try:
            observation, reward, terminated, truncated, info = env.step(action)
            # A number at once: the list of tasks is the environment's own and grows.
            success, completed = bool(info.get("success", False)), len(info.get(TASKS, ()))
            ended = bool(terminated), bool(truncated)
            # An array of one number, as vectorised rewards often are, is that number.
            number = float(np.asarray(reward, np.float64).item())
        except Exception as error:  # whatever an environment raises or returns
            return failure(error)
        # A policy does not see the last observation of an episode.
        unusable = None if any(ended) else _unusable(observation)
        return unusable or Step(observation, number, *ended, success, completed)

    def close(self) -> None:
        """Close every environment; what one raises at its end costs no result."""
        while self.made:
            with suppress(Exception):
                self.made.popitem()[1].close()


def failure(error: Exception) -> Failure:
    """Describe an exception in one line: its type, its message, and where it was raised."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    name = where.filename.replace("\\", "/").rsplit("/", 1)[-1]
    message = " ".join(str(error).split())
    return Failure(f"it raised {type(error).__name__}: {message} ({name}, line {where.lineno})")


def _unusable(observation: NDArray[np.float32]) -> Failure | None:
    if math.isfinite(observation.sum()):  # most of them: this is cheaper than looking at each
        return None
    finite = np.isfinite(observation)
    if finite.all():  # only their sum is out of range
        return None
    entry = int(np.argmin(finite))
    return Failure(f"entry {entry} of its observation is {observation[entry]} as a float32")
