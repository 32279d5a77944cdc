"""Records transitions, with MuJoCo's states, for the tests of replays."""

from typing import Any, NamedTuple

import numpy as np


class Recorded(NamedTuple):
    qpos: np.ndarray
    qvel: np.ndarray
    actions: np.ndarray
    observations: np.ndarray
    next_observations: np.ndarray

    def float32(self) -> "Recorded":
        """As it comes out of a file."""
        return Recorded(*(part.astype(np.float32) for part in self))


def flat(observation: Any) -> np.ndarray:
    return observation["observation"] if isinstance(observation, dict) else observation


def simulation(env: Any) -> Any:
    return getattr(env.unwrapped, "ant_env", env.unwrapped)


def record(env: Any, steps: int = 150) -> Recorded:
    """Transitions of mild random actions from the environment's own starts."""
    random, rows = np.random.default_rng(0), []
    observation = flat(env.reset(seed=1)[0])
    for step in range(steps):
        if step % 5 == 0:
            base = random.uniform(-1, 1, env.action_space.shape)
        action = np.clip(base + random.normal(0, 0.2, base.shape), -1, 1).astype(np.float32)
        data, before = simulation(env).data, observation
        state = data.qpos.copy(), data.qvel.copy()
        after, _, terminated, _, _ = env.step(action)
        observation = flat(after)
        rows.append((*state, action, before, observation))
        if terminated:
            observation = flat(env.reset()[0])
    return Recorded(*(np.array(part) for part in zip(*rows, strict=True)))
