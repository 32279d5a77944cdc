"""Wraps a registered environment for a policy: in the data's view, with the goal in place."""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ivr.agreement.views import Observations, View, join, view_keys
from ivr.mazes import SUCCESS_RADIUS, Maze

Env = gymnasium.Env[Any, Any]

# Half-width of the start's uniform noise, in cells: the environment's own (1 m on either axis
# for AntMaze), and the 0.1 m of D4RL's AntMaze.
START_NOISE = {"centre": 0.25, "d4rl_v2": 0.1 / 4}


class FlatView(gymnasium.ObservationWrapper[NDArray[np.float32], Any, Any]):
    """Shows a view of the observations as one float32 vector (O,)."""

    def __init__(self, env: Env, view: View):
        """Reset `env` once, to see whether its observations begin with the position."""
        super().__init__(env)
        first = self._entries(env.reset(seed=0)[0])
        self._keys = view_keys(view, first)
        size = join(self._keys, first).shape
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, size, np.float32)

    @staticmethod
    def _entries(observation: Any) -> Observations:
        if isinstance(observation, dict):
            return observation
        return {"observation": np.reshape(observation, -1)}

    def observation(self, observation: Any) -> NDArray[np.float32]:
        """Join the entries of the view, shape (O,)."""
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and found as such
            return join(self._keys, self._entries(observation))


class PlacedGoal(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Places a maze's goal where the protocol says, and ends the episode on reaching it.

    Gymnasium-Robotics adds noise of a quarter of a cell to goal and start at every reset, and
    judges success within 0.45. Here the goal is the centre of the goal cell (`centre`), or is
    redrawn at each reset as in D4RL's antmaze v2 (`d4rl_v2`: on each axis the centre + U(0, 1) +
    U(0, 0.5) metres towards greater rows and columns, and a start within 0.1 m of its cell's
    centre, all scaled with the maze).
    Within SUCCESS_RADIUS the reward is 1, the episode terminates and info["success"] is True.
    All noise derives from the reset's seed.
    """

    def __init__(self, env: Env, maze: Maze, protocol: str):
        super().__init__(env)
        self._maze = maze
        self._protocol = protocol
        inner: Any = env.unwrapped
        self._inner = inner
        self._inner.position_noise_range = START_NOISE[protocol]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, then move the goal, its mark in the picture and what is reported about it."""
        observation, info = self.env.reset(seed=seed, options=options)
        goal = self._maze.centre(self._maze.goal)
        if self._protocol == "d4rl_v2":
            noise = self._inner.np_random.uniform(0.0, [[1.0, 1.0], [0.5, 0.5]]).sum(0)
            # D4RL's y grows with the row, this frame's falls.
            goal = goal + noise * (1, -1) * self._maze.scale / 4.0
        self._inner.goal = goal
        self._inner.update_target_site_pos()
        return self._with_goal(observation, info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; the reward is 1.0 where the goal is reached and 0.0 elsewhere."""
        observation, _, _, truncated, info = self.env.step(action)
        observation, info = self._with_goal(observation, info)
        success: bool = info["success"]
        return observation, float(success), success, truncated and not success, info

    def _with_goal(self, observation: Any, info: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        goal = self._inner.goal
        distance = np.linalg.norm(observation["achieved_goal"] - goal)
        info["success"] = bool(distance <= SUCCESS_RADIUS)
        info["goal"] = goal.copy()
        return {**observation, "desired_goal": goal.copy()}, info
