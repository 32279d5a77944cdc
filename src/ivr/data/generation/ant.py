"""Simulates an Ant that walks to a way point: its physics, its observation and its policy.

There are two Ants, that of Gymnasium's AntMaze and that of D4RL's (`ivr.environments.antmaze` says
how they differ). The policy of each (two tanh layers, NumPy only) ships with this package; it was
trained by `scripts/train_ant.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import gymnasium.envs.mujoco
import mujoco
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ANT_XML = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "ant.xml"
"""The Ant of Gymnasium, which AntMaze puts into its mazes."""

FRAME_SKIP = 5

FEATURES, ACTIONS = 29, 8
_RESET_NOISE = 0.1
_NEAR = 2.0  # metres; farther way points look alike


class AntBody(NamedTuple):
    """What the code that walks an Ant has to know of its body; the rest is in MuJoCo's model."""

    step_seconds: float
    """For which an action holds."""
    torque: float
    """What an action of 1 sets a motor to."""
    weakness: float
    """How many times as strong the motors of Gymnasium's Ant are."""
    weights: Path
    """Of the policy that walks."""


_HERE = Path(__file__).parent
BODIES = {
    "gymnasium": AntBody(0.05, 1.0, 1.0, _HERE / "ant_walker.npz"),
    "d4rl": AntBody(0.1, 30.0, 5.0, _HERE / "ant_walker_d4rl.npz"),
}


class Layer(NamedTuple):
    """x ↦ x @ weight + bias."""

    weight: Floats
    bias: Floats


class Body:
    """One Ant in a MuJoCo model that holds nothing else that moves."""

    def __init__(self, model: mujoco.MjModel, torque: float = 1.0) -> None:
        """Make one in `model`; `torque` is what an action of 1 sets a motor to."""
        self._model, self._data, self._torque = model, mujoco.MjData(model), torque

    @property
    def state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Copies of qpos (15,), x, y, z, quaternion, joints, and qvel (14,); metres, radians."""
        return self._data.qpos.copy(), self._data.qvel.copy()

    def reset(self, xy: NDArray[np.floating], rng: np.random.Generator | None = None) -> None:
        """Put it at rest at (x, y) as AntMaze does; `rng` adds the noise of Gymnasium's Ant."""
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:2] = xy
        if rng is not None:
            self._data.qpos[2:] += rng.uniform(-_RESET_NOISE, _RESET_NOISE, 13)
            self._data.qvel[:] = _RESET_NOISE * rng.standard_normal(14)
        mujoco.mj_forward(self._model, self._data)

    def step(self, action: NDArray[np.floating]) -> None:
        """Apply actions (8,) within ±1 for the time of a step."""
        self._data.ctrl[:] = self._torque * np.asarray(action, np.float64)
        mujoco.mj_step(self._model, self._data, nstep=FRAME_SKIP)


def features(
    qpos: NDArray[np.float64], qvel: NDArray[np.float64], way: NDArray[np.float64]
) -> Floats:
    """Compute the policy's observation of qpos (N, 15), qvel (N, 14) and ways (N, 2): (N, 29).

    The height, orientation and velocities are given in the frame that turns with the body about
    the vertical, and so is the way to the way point; x and y are left out. So walking in one
    direction is walking in all of them.
    """
    w, x, y, z = (qpos[:, 3:7] / np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)).T
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    c, s = np.cos(yaw / 2), np.sin(yaw / 2)
    upright = np.stack([c * w + s * z, c * x + s * y, c * y - s * x, c * z - s * w], axis=1)
    upright *= np.where(upright[:, :1] < 0, -1, 1)
    distance = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    direction = way / distance * np.minimum(distance, _NEAR) / _NEAR
    seen = [qpos[:, 2:3], upright, qpos[:, 7:], _turned(qvel[:, :2], yaw), qvel[:, 2:]]
    return np.concatenate([*seen, _turned(direction, yaw)], axis=1).astype(np.float32)


def uprightness(qpos: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure how upright the body is, from 1 to −1 (upside down), of qpos (N, 15): (N,)."""
    quaternion = qpos[:, 3:7]
    x, y = quaternion[:, 1], quaternion[:, 2]
    up: NDArray[np.float64] = 1 - 2 * (x * x + y * y) / np.sum(quaternion**2, axis=1)
    return up


def _turned(vectors: NDArray[np.float64], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn vectors (N, 2) of the world into a frame that is rotated by yaw (N,)."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack(
        [c * vectors[:, 0] + s * vectors[:, 1], c * vectors[:, 1] - s * vectors[:, 0]], axis=1
    )


class Network:
    """Tanh layers over standardised features, the last one linear."""

    def __init__(self, mean: Floats, scale: Floats, layers: list[Layer]) -> None:
        self._mean, self._scale, self._layers = mean, scale, layers

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.floating]], name: str = "actor") -> "Network":
        """Build it from arrays `mean`, `scale`, `<name>.<k>.weight` and `<name>.<k>.bias`."""
        layers: list[Layer] = []
        while f"{name}.{len(layers)}.weight" in arrays:
            prefix = f"{name}.{len(layers)}"
            layers.append(
                Layer(
                    arrays[f"{prefix}.weight"].astype(np.float32),
                    arrays[f"{prefix}.bias"].astype(np.float32),
                )
            )
        mean, scale = (arrays[key].astype(np.float32) for key in ("mean", "scale"))
        return cls(mean, scale, layers)

    def __call__(self, seen: Floats) -> Floats:
        """Map features (N, 29) to outputs (N, outputs)."""
        x: Floats = np.clip((seen - self._mean) / self._scale, -8, 8)
        for layer in self._layers[:-1]:
            x = np.tanh(x @ layer.weight + layer.bias)
        out: Floats = x @ self._layers[-1].weight + self._layers[-1].bias
        return out


def trained_policy(body: str = "gymnasium") -> Network:
    """Load the trained policy of one of BODIES: features (N, 29) to actions (N, 8), to be clipped.

    Actions are to be clipped to ±1.
    """
    with np.load(BODIES[body].weights, allow_pickle=False) as arrays:
        return Network.of(dict(arrays))
