"""What D4RL's environments have in common on today's MuJoCo."""

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Step = tuple[Floats, float, bool, bool, dict[str, Any]]


class SimulatedEnv(MujocoEnv):
    """A MujocoEnv with a model of its own, whose actions are within ±1.

    Args:
        asset: file that the model is made of.
        spec: the model.
        frame_skip: simulation steps an action holds for.
        observation_space: of the environment.
        view: Gymnasium's `default_camera_config`, which `camera_id` or `camera_name` replace.
        **kwargs: of MujocoEnv: render_mode, width, height, camera_id…
    """

    metadata = {"render_modes": ["human", "rgb_array", "depth_array"]}  # noqa: RUF012

    def __init__(
        self,
        asset: Path,
        spec: mujoco.MjSpec,
        frame_skip: int,
        observation_space: Box,
        view: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        self._spec = spec
        camera = {} if "camera_name" in kwargs else {"camera_id": -1}
        kwargs = {**camera, "default_camera_config": view, **kwargs}
        super().__init__(str(asset), frame_skip, observation_space, **kwargs)

    def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model = self._spec.compile()
        screen = model.vis.global_
        screen.offwidth = max(screen.offwidth, self.width)
        screen.offheight = max(screen.offheight, self.height)
        return model, mujoco.MjData(model)

    def _set_action_space(self) -> Box:
        self.action_space = Box(-1, 1, (self.model.nu,), np.float32)
        return self.action_space

    def start(self, qpos: Floats, qvel: Floats) -> None:
        """Set the state of a start; D4RL's MuJoCo normalised its quaternions in place."""
        qpos = qpos.copy()
        mujoco.mj_normalizeQuat(self.model, qpos)
        self.set_state(qpos, qvel)  # type: ignore[no-untyped-call]
