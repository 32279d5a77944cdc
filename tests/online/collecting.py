"""A walk that counts its steps, and a collector in it."""

from typing import Any

import gymnasium
import numpy as np
import torch

from ivr.data.serving.replay import ReplayBuffer
from ivr.data.serving.schedule import Schedule
from ivr.evaluation.rollout import EnvironmentPool
from ivr.evaluation.task.task import TASKS, Task
from ivr.online.collect import Collector

LIMIT = 7
COUNTED = {"resets": 0, "steps": 0}
"""Of every environment in this process."""


class Walk(gymnasium.Env[Any, Any]):
    """Moves by its action from a start that is drawn; beyond ±2 it has fallen."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-0.9, 0.7, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        COUNTED["resets"] += 1
        self.place, self.drawn = self.np_random.uniform(-0.5, 0.5, 2)
        return np.array([self.place, self.drawn]), {}

    def step(self, action: Any) -> Any:
        COUNTED["steps"] += 1
        self.place += float(action[0])
        self.drawn = self.np_random.uniform()
        seen = np.array([self.place, self.drawn])
        return seen, self.place, bool(abs(self.place) > 2), False, {}


class Chores(Walk):
    """Pays 1 where a task is done, one at every second step, and lists what is done so far."""

    def reset(self, **keywords: Any) -> Any:
        self.taken = 0
        return super().reset(**keywords)

    def step(self, action: Any) -> Any:
        self.taken += 1
        observation, _, *ends, _ = super().step(action)
        done = {TASKS: ["chore"] * (self.taken // 2)}
        return observation, float(self.taken % 2 == 0), *ends, done


def task(metric: str = "return") -> Task:
    env, made = ("Walk-v0", Walk) if metric == "return" else ("WalkChores-v0", Chores)
    if env not in gymnasium.registry:
        gymnasium.register(env, made)
    return Task("walk", env, {}, LIMIT, "flat", None, "centre", None, metric, False)


class Noisy:
    """Goes where chance says, more boldly the greater its `gain`."""

    discount = 0.5

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def explore(self, observations: Any, noise: Any, progress: float) -> Any:
        actions = torch.tanh(self.gain * noise + 0.1 * observations[..., :1])
        return actions, (noise[..., 0] > 0).float()

    def to_bounds(self, actions: Any) -> Any:
        return -0.9 + 0.8 * (actions + 1)

    def action_value(self, observations: Any, actions: Any) -> Any:
        return observations[..., 0] + actions[..., 0]


SCHEDULE = Schedule(0, 10, 60, 5, 1, (0.5, 0.25))


def collector(
    seeds: tuple[int, ...] = (0, 1), capacity: int = 60, metric: str = "return"
) -> Collector:
    return Collector(
        EnvironmentPool(task(metric)),
        ReplayBuffer(len(seeds), capacity, 2, 1),
        Noisy(),
        SCHEDULE,
        seeds=seeds,
        labels=[f"seed{seed}" for seed in seeds],
        reward_scale=2.0,
        reward_shift=-1.0,
    )
