"""Makes and steps the environments of one process."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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

    def reset(self, slot: int, seed: int) -> NDArray[np.float32]:
        """Begin an episode; the first observation (O,)."""
        observation: NDArray[np.float32] = self.made[slot].reset(seed=seed)[0]
        return observation

    def step(self, slots: list[int], actions: NDArray[np.float32]) -> list[Step]:
        """Step the environments of these numbers with their actions (slots, A)."""
        return [self._step(self.made[s], a) for s, a in zip(slots, actions, strict=True)]

    def _step(self, env: Env, action: NDArray[np.float32]) -> Step:
        observation, reward, terminated, truncated, info = env.step(action)
        # A number at once: the list of tasks is the environment's own and grows.
        success, completed = bool(info.get("success", False)), len(info.get(TASKS, ()))
        return Step(observation, float(reward), terminated, truncated, success, completed)

    def close(self) -> None:
        """Close every environment."""
        while self.made:
            self.made.popitem()[1].close()
