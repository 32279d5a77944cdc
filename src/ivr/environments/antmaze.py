"""D4RL's AntMaze, version 2, on today's MuJoCo.

Source: D4RL 89141a6, `locomotion/{ant,maze_env,goal_reaching_env,wrappers}.py`, `assets/ant.xml`.
Gymnasium's AntMaze has the same mazes but half the clock, five times the torque and harder
contacts, so policies and data of one mean little in the other.
"""

from pathlib import Path
from typing import Any

import gymnasium.envs.mujoco
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ivr.environments.simulated import Floats, SimulatedEnv, Step
from ivr.errors import UserError
from ivr.mazes import MAZES, SUCCESS_RADIUS, Maze

Random = np.random.Generator | np.random.RandomState

CELL = 4.0
"""Side of a cell, in metres; walls are as high as half of it."""
FRAME_SKIP = 5
TIMESTEP = 0.02
TORQUE = 30.0
"""Largest torque of a motor, in newton metres: actions of ±1 are scaled to it."""
START_NOISE = 0.1

_ANT = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "ant.xml"


def position(maze: Maze, cell: tuple[int, int]) -> Floats:
    """(x, y) of a cell's centre, in metres: x grows with the column, y with the row.

    The origin is the centre of the start cell.
    """
    row, column = cell
    return CELL * np.array([column - maze.start[1], row - maze.start[0]])


def sample_goal(maze: Maze, random: Random) -> Floats:
    """Draw an episode's goal (2,): the goal cell's centre + U(0, 1) + U(0, 0.5) on each axis."""
    x, y = position(maze, maze.goal)
    x, y = x + random.uniform(0, CELL / 4), y + random.uniform(0, CELL / 4)
    return np.array(
        [max(x + random.uniform(0, CELL / 8), 0), max(y + random.uniform(0, CELL / 8), 0)]
    )


def sample_start(qpos: Floats, random: Random) -> tuple[Floats, Floats]:
    """Draw qpos (15,) and qvel (14,) of an episode's start around the model's own qpos."""
    qpos = qpos + random.uniform(-START_NOISE, START_NOISE, len(qpos))
    return qpos, random.standard_normal(len(qpos) - 1) * START_NOISE


def model_spec(maze: Maze) -> mujoco.MjSpec:
    """Make D4RL's Ant and walls out of Gymnasium's Ant."""
    spec = mujoco.MjSpec.from_file(str(_ANT))
    spec.option.timestep = TIMESTEP
    # What follows the default is copied when a file is read, so both are set.
    for geom in (spec.default.geom, *spec.geoms):
        geom.solref[:2] = 0.02, 1
        geom.solimp[:3] = 0.8, 0.8, 0.01
    for actuator in spec.actuators:
        actuator.gear[0] = 1
        actuator.ctrlrange = -TORQUE, TORQUE
    half = CELL / 2
    for row, cells in enumerate(maze.layout):
        for column, wall in enumerate(cells):
            if wall:
                spec.worldbody.add_geom(
                    name=f"block_{row}_{column}",
                    type=mujoco.mjtGeom.mjGEOM_BOX,
                    pos=(*position(maze, (row, column)), half / 2),
                    size=(half, half, half / 2),
                    conaffinity=1,
                    rgba=(0.7, 0.5, 0.3, 1),
                )
    spec.worldbody.add_site(
        name="goal",
        pos=(*position(maze, maze.goal), 0),
        size=(SUCCESS_RADIUS,) * 3,
        rgba=(1, 0.2, 0.2, 0.7),
    )
    return spec


class D4RLAntMaze(SimulatedEnv):
    """An Ant that is asked to reach the goal of D4RL's antmaze v2.

    Observations are qpos (15) and qvel (14): x, y, z, quaternion, eight joints and their
    velocities, in metres, radians and seconds. Actions (8,) in ±1 hold for 0.1 s. Within 0.5 m
    of the goal the reward is 1 and the episode terminates; else it is 0. Each reset draws another
    goal, which `info["goal"]` has and the observation has not.

    Args:
        maze: umaze, medium or large.
        **kwargs: of Gymnasium's MujocoEnv: render_mode, width, height, camera_id…

    Raises:
        UserError: there is no such maze.
    """

    metadata = {**SimulatedEnv.metadata, "render_fps": 10}  # noqa: RUF012

    def __init__(self, maze: str, **kwargs: Any) -> None:
        if maze not in MAZES:
            raise UserError(f"maze={maze} is not one of {', '.join(MAZES)}.")
        self.maze = Maze.named(maze, CELL)
        self.goal = position(self.maze, self.maze.goal)
        rows, columns = len(self.maze.layout), len(self.maze.layout[0])
        middle = position(self.maze, (0, 0)) / 2 + position(self.maze, (rows - 1, columns - 1)) / 2
        view = {
            "lookat": np.array([*middle, 0]),
            "distance": CELL * max(rows, columns) * 1.3,
            "azimuth": 90,
            "elevation": -65,
        }
        space = Box(-np.inf, np.inf, (29,), np.float64)
        super().__init__(_ANT, model_spec(self.maze), FRAME_SKIP, space, view, **kwargs)

    def reset_model(self) -> Floats:
        self.goal = sample_goal(self.maze, self.np_random)
        self.model.site("goal").pos[:2] = self.goal
        self.start(*sample_start(self.init_qpos, self.np_random))
        return self._observation()

    def _get_reset_info(self) -> dict[str, Any]:
        return self._info()

    def step(self, action: NDArray[np.floating]) -> Step:  # type: ignore[override]
        """Apply actions (8,) in ±1 for 0.1 s."""
        # In this order, because rounding grows in a simulation that contacts make chaotic.
        torque = np.clip(-TORQUE + (np.asarray(action) + 1) * 0.5 * (2 * TORQUE), -TORQUE, TORQUE)
        self.do_simulation(torque, self.frame_skip)
        info = self._info()
        return self._observation(), float(info["success"]), info["success"], False, info

    def _observation(self) -> Floats:
        return np.concatenate([self.data.qpos, self.data.qvel])

    def _info(self) -> dict[str, Any]:
        near = np.linalg.norm(self.data.qpos[:2] - self.goal) <= SUCCESS_RADIUS
        return {"success": bool(near), "goal": self.goal.copy()}
