"""D4RL's Kitchen, version 0, on today's MuJoCo.

Source: D4RL 89141a6, `kitchen/kitchen_envs.py`, `adept_envs/franka/kitchen_multitask_v0.py`,
`adept_envs/franka/robot/{franka_robot.py,franka_config.xml}`. Gymnasium-Robotics' FrankaKitchen
has the same robot and furniture, but a tenth of the noise, and an observation with velocities and
without the goal.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium_robotics
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ivr.environments.simulated import Floats, SimulatedEnv, Step
from ivr.errors import UserError

ROBOT = 9
"""Joints of the arm and its two fingers, which come first in qpos; 21 numbers of objects follow."""
FRAME_SKIP = 40
SPEED = 2.0
"""Joint velocity of an action of 1, in radians (fingers: metres) a second."""
NEAR = 0.3
"""Distance of a task's joints from their goal, as observed, below which it is done."""

# name: its first place in the observation, and the goal of the numbers from there on.
GOALS: dict[str, tuple[int, tuple[float, ...]]] = {
    "bottom burner": (11, (-0.88, -0.01)),
    "top burner": (15, (-0.92, -0.01)),
    "light switch": (17, (-0.69, -0.05)),
    "slide cabinet": (19, (0.37,)),
    "hinge cabinet": (20, (0.0, 1.45)),
    "microwave": (22, (-0.75,)),
    "kettle": (23, (-0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06)),
}
TASKS: dict[str, tuple[str, ...]] = {
    "complete": ("microwave", "kettle", "light switch", "slide cabinet"),
    "partial": ("microwave", "kettle", "light switch", "slide cabinet"),
    "mixed": ("microwave", "kettle", "bottom burner", "light switch"),
}

START: Floats = np.array(
    [
        [1.48388023e-01, -1.76848573e00, 1.84390296e00, -2.47685760e00, 2.60252026e-01],
        [7.12533105e-01, 1.59515394e00, 4.79267505e-02, 3.71350919e-02, -2.66279850e-04],
        [-5.18043486e-05, 3.12877220e-05, -4.51199853e-05, -3.90842156e-06, -4.22629655e-05],
        [6.28065475e-05, 4.04984708e-05, 4.62730939e-04, -2.26906415e-04, -4.65501369e-04],
        [-6.44129196e-03, -1.77048263e-03, 1.08009684e-03, -2.69397440e-01, 3.50383255e-01],
        [1.61944683e00, 1.00618764e00, 4.06395120e-03, -6.62095997e-03, -2.68278933e-04],
    ]
).ravel()
"""qpos (30,) of every start."""
LOW: Floats = np.array([-2.9, -1.8, -2.9, -3.1, -2.9, 0, -2.9, 0, 0])
HIGH: Floats = np.array([2.9, 1.8, 2.9, 0, 2.9, 3.8, 2.9, 0.04, 0.04])
# A tenth of what D4RL's robot configuration says of each joint.
NOISE: Floats = 0.1 * np.repeat(
    [0.1, 0.005, 0.0005, 0.005, 0.1, 0.005, 0.1, 0.005], [ROBOT, 2, 6, 3, 3, 3, 3, 1]
)
"""Half-width (30,) of the uniform noise of an observation."""

_KITCHEN = Path(gymnasium_robotics.__file__).parent / (
    "envs/assets/kitchen_franka/kitchen_assets/kitchen_env_model.xml"
)


def model_spec() -> mujoco.MjSpec:
    """Make D4RL's kitchen out of Gymnasium-Robotics', where the robot's foot is in the way."""
    spec = mujoco.MjSpec.from_file(str(_KITCHEN))
    (foot,) = [
        geom
        for geom in spec.geoms
        if geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER and tuple(geom.size[:2]) == (0.12, 0.9)
    ]
    foot.contype = foot.conaffinity = 0
    return spec


def goal_vector(tasks: tuple[str, ...]) -> Floats:
    """The 30 numbers that end an observation: the goals of the tasks at their places, else 0."""
    goal = np.zeros(len(START))
    for task in tasks:
        place, numbers = GOALS[task]
        goal[place : place + len(numbers)] = numbers
    return goal


class D4RLKitchen(SimulatedEnv):
    """A Franka arm that is asked to do D4RL's four tasks in a kitchen, in any order.

    Observations are 60 numbers: joints of the robot (9) and of the objects (21), both with noise,
    and the goal (30). Actions (9,) in ±1 are joint velocities, held for 0.08 s. A task that is
    done for the first time pays 1; the episode terminates when all are done. The three arguments
    that change this have the names and meaning that they have in Gymnasium-Robotics' FrankaKitchen,
    and the values that D4RL's KitchenBase has.

    Args:
        tasks: complete, partial or mixed.
        tasks_to_complete: names of GOALS instead of those of `tasks`.
        remove_task_when_completed: False to pay a task at each step at which it is done.
        terminate_on_tasks_completed: False to go on when all are done.
        **kwargs: of Gymnasium's MujocoEnv: render_mode, width, height, camera_id…

    Raises:
        UserError: there is no such set of tasks, or no such task.
    """

    metadata = {**SimulatedEnv.metadata, "render_fps": 12}  # noqa: RUF012

    def __init__(
        self,
        tasks: str,
        tasks_to_complete: Sequence[str] | None = None,
        remove_task_when_completed: bool = True,
        terminate_on_tasks_completed: bool = True,
        **kwargs: Any,
    ) -> None:
        if tasks not in TASKS:
            raise UserError(f"tasks={tasks} is not one of {', '.join(TASKS)}.")
        self.tasks = TASKS[tasks] if tasks_to_complete is None else tuple(tasks_to_complete)
        if not set(self.tasks) <= set(GOALS):
            raise UserError(f"tasks_to_complete={list(self.tasks)}: there is {', '.join(GOALS)}.")
        self.pays_once = remove_task_when_completed
        self.terminates = terminate_on_tasks_completed
        self.goal = goal_vector(self.tasks)
        self.done: list[str] = []
        view = {
            "lookat": np.array([-0.2, 0.5, 2.0]),
            "distance": 2.2,
            "azimuth": 70,
            "elevation": -35,
        }
        space = Box(-8, 8, (60,), np.float64)
        super().__init__(_KITCHEN, model_spec(), FRAME_SKIP, space, view, **kwargs)

    def reset_model(self) -> Floats:
        self.done = []
        self.start(START, np.zeros(self.model.nv))
        return self._observe()

    def _get_reset_info(self) -> dict[str, Any]:
        return self._info([])

    def step(self, action: NDArray[np.floating]) -> Step:  # type: ignore[override]
        """Drive the joints with velocities (9,), as shares of SPEED in ±1, for 0.08 s."""
        velocity = SPEED * np.clip(np.asarray(action, dtype=np.float64), -1, 1)
        # The motors hold positions; the one to go to is reckoned from what was observed.
        target = np.clip(self.observed[:ROBOT] + velocity * self.dt, LOW, HIGH)
        self.do_simulation(target, self.frame_skip)
        observation = self._observe()
        near = [task for task in self.tasks if self._near(task)]
        completed = [task for task in near if task not in self.done]
        self.done += completed
        reward = float(len(completed if self.pays_once else near))
        over = self.terminates and len(self.done) == len(self.tasks)
        return observation, reward, over, False, self._info(completed)

    def _observe(self) -> Floats:
        noise = NOISE * self.np_random.uniform(-1, 1, len(NOISE))
        self.observed: Floats = self.data.qpos + noise
        return np.concatenate([self.observed, self.goal])

    def _near(self, task: str) -> bool:
        place, numbers = GOALS[task]
        observed = self.observed[place : place + len(numbers)]
        return bool(np.linalg.norm(observed - numbers) < NEAR)

    def _info(self, completed: list[str]) -> dict[str, Any]:
        return {
            "tasks_to_complete": [task for task in self.tasks if task not in self.done],
            "step_task_completions": completed,
            "episode_task_completions": list(self.done),
        }
