"""Ants on an empty plane, each with a way point: what `train_ant.py` learns from.

Way points lie 2 to 10 m away and are replaced after 100 to 300 steps. The reward is the progress
towards the way point (m/s, at most 4), 0.3 times the uprightness, −0.05 times the squared torques
(in parts of 150 N·m, the most that Gymnasium's Ant has; D4RL's has 30), +5 within 0.5 m; an Ant
that falls costs 5 and starts again.
"""

import math
from collections import defaultdict
from multiprocessing.connection import Connection

import mujoco
import numpy as np
from numpy.typing import NDArray

from ivr.data.generation.ant import (
    ACTIONS,
    ANT_XML,
    BODIES,
    Body,
    Network,
    features,
    uprightness,
)
from ivr.environments.antmaze import model_spec
from ivr.mazes import Maze

DISCOUNT = 0.99
ROUND_STEPS, LIFE = 256, 1000
REWARD_SCALE = 0.1
Arrays = dict[str, NDArray[np.float32]]


def plane_model(body: str) -> mujoco.MjModel:
    """An Ant, of the body of that name, on an empty plane."""
    if body == "gymnasium":
        return mujoco.MjModel.from_xml_path(str(ANT_XML))
    return model_spec(Maze(((0,),), 4.0, (0, 0), (0, 0))).compile()


class Plane:
    """Some Ants on an empty plane, each with a way point."""

    def __init__(self, count: int, seed: int, body: str = "gymnasium") -> None:
        self._rng = np.random.default_rng(seed)
        model, self._step_seconds = plane_model(body), BODIES[body].step_seconds
        self._effort = 0.05 / BODIES[body].weakness ** 2
        self._ants = [Body(model, BODIES[body].torque) for _ in range(count)]
        self._target, self._left = np.zeros((count, 2)), np.zeros(count, int)
        # Lives end at different times.
        self._age = self._rng.integers(LIFE, size=count)
        for k in range(count):
            self._reset(k)

    def _reset(self, k: int) -> None:
        self._ants[k].reset(np.zeros(2), self._rng)
        self._aim(k)

    def _aim(self, k: int) -> None:
        angle, distance = self._rng.uniform(-math.pi, math.pi), self._rng.uniform(2, 10)
        here = self._ants[k].state[0][:2]
        self._target[k] = here + distance * np.array([math.cos(angle), math.sin(angle)])
        self._left[k] = self._rng.integers(100, 300)

    def _state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        states = [ant.state for ant in self._ants]
        return np.stack([qpos for qpos, _ in states]), np.stack([qvel for _, qvel in states])

    def _seen(self) -> NDArray[np.float32]:
        qpos, qvel = self._state()
        return features(qpos, qvel, self._target - qpos[:, :2])

    def round(self, arrays: Arrays) -> Arrays:
        """256 steps of every Ant: (256, N, ...) arrays, `values` one longer."""
        actor, critic = Network.of(arrays), Network.of(arrays, "critic")
        spread = np.exp(arrays["log_std"])
        normalizer = np.sum(arrays["log_std"] + 0.5 * math.log(2 * math.pi))
        out: defaultdict[str, list[NDArray[np.floating]]] = defaultdict(list)
        seen = self._seen()
        for _ in range(ROUND_STEPS):
            noise = self._rng.standard_normal((len(seen), ACTIONS), np.float32)
            actions = actor(seen) + spread * noise
            out["seen"].append(seen)
            out["actions"].append(actions)
            out["log_prob"].append(-0.5 * (noise**2).sum(1) - normalizer)
            out["values"].append(critic(seen)[:, 0])
            torques = np.clip(actions, -1, 1)
            before = self._distance()
            for ant, torque in zip(self._ants, torques, strict=True):
                ant.step(torque)
            qpos, _ = self._state()
            after, up = self._distance(), uprightness(qpos)
            progress = (before - after) / self._step_seconds
            hit = after < 0.5
            height = qpos[:, 2]
            fallen = ~((height > 0.2) & (height < 1.0) & (up > 0))
            reward = np.minimum(progress, 4) + 0.3 * up - self._effort * np.sum(torques**2, axis=1)
            reward = REWARD_SCALE * (reward + 5.0 * hit - 5.0 * fallen)
            self._age += 1
            old = self._age >= LIFE
            # A life that is cut is worth what the critic expects of the rest.
            if old.any():
                reward += DISCOUNT * critic(self._seen())[:, 0] * (old & ~fallen)
            self._left -= 1
            for k in np.flatnonzero(fallen | old):
                self._reset(int(k))
                self._age[k] = 0
            for k in np.flatnonzero((hit | (self._left <= 0)) & ~(fallen | old)):
                self._aim(int(k))
            for key, value in (
                ("rewards", reward),
                ("ends", fallen | old),
                ("progress", progress),
                ("hits", hit),
                ("falls", fallen),
            ):
                out[key].append(value.astype(np.float32))
            seen = self._seen()
        out["values"].append(critic(seen)[:, 0])
        return {key: np.stack(rows).astype(np.float32) for key, rows in out.items()}

    def _distance(self) -> NDArray[np.float64]:
        here = np.stack([ant.state[0][:2] for ant in self._ants])
        return np.linalg.norm(self._target - here, axis=1)


def work(connection: Connection, count: int, seed: int, body: str) -> None:
    """The life of one process: parameters in, a round out."""
    plane = Plane(count, seed, body)
    while True:
        connection.send(plane.round(connection.recv()))
