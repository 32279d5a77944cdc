"""Makes the environment of an evaluation, as the data see it, and describes its protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import gymnasium
import gymnasium_robotics

from ivr.agreement.views import View
from ivr.errors import UserError
from ivr.evaluation.task.checks import check_maze_scale, check_observations
from ivr.evaluation.task.spec import d4rl_maze
from ivr.evaluation.task.wrappers import START_NOISE, Env, FlatView, PlacedGoal
from ivr.files import private_temporary_folder
from ivr.mazes import SUCCESS_RADIUS, Maze

gymnasium.register_envs(gymnasium_robotics)

TASKS = "episode_task_completions"
"""Where a step's info lists the tasks that an episode has completed so far (Kitchen)."""


class NotMadeError(UserError):
    """The constructor of an environment fails, as where a package that it needs is missing."""


@dataclass(frozen=True)
class Task:
    """An environment as the data see it, with the protocol of its evaluation.

    Plain data, so that it can be sent to another process; `make_env` builds the environment.
    """

    name: str
    env_id: str
    env_kwargs: Mapping[str, Any]
    max_episode_steps: int
    view: View
    maze: Maze | None
    goal: str
    reference: tuple[float, float] | None
    metric: str
    reports_success: bool
    cells: str = "D4RL's"
    """Whose start and goal cells the maze has, in words."""

    def make_env(self, render_mode: str | None = None) -> Env:
        """Make an environment whose observations are float32 vectors (O,) in the view.

        Raises:
            NotMadeError: it cannot be made.
            UserError: it does not fit the view or the maze, or fails when it is reset.
        """
        kwargs = dict(self.env_kwargs)
        if self.maze is not None:
            rows: list[list[int | str]] = [list(row) for row in self.maze.layout]
            for mark, (row, column) in (("r", self.maze.start), ("g", self.maze.goal)):
                rows[row][column] = mark
            # The goal is moved and judged by the wrapper alone.
            kwargs |= {"maze_map": rows, "continuing_task": True, "reset_target": False}
        if render_mode is not None:  # a constructor need not take it
            kwargs["render_mode"] = render_mode
        try:
            with private_temporary_folder():
                env: Env = gymnasium.make(
                    gymnasium.registry[self.env_id],
                    max_episode_steps=self.max_episode_steps,
                    disable_env_checker=True,
                    **kwargs,
                )
        except Exception as error:  # whatever a third-party constructor raises
            raise NotMadeError(
                f"The environment dataset.env={self.env_id} cannot be made with "
                f"dataset.env_kwargs={dict(self.env_kwargs)}: {type(error).__name__}: {error}"
            ) from error
        if self.maze is not None:
            check_maze_scale(env, self.env_id, self.maze)
            env = PlacedGoal(env, self.maze, self.goal)
        check_observations(env, self.env_id, self.view)
        try:
            return FlatView(env, self.view)
        except Exception as error:  # whatever an environment raises at its first reset
            raise UserError(
                f"The environment {self.env_id} was reset and failed: {type(error).__name__}: "
                f"{error}. Mend it, or choose another dataset.env."
            ) from error

    @property
    def environment(self) -> str:
        """The environment's id and the versions that its scores depend on."""
        packages = ["gymnasium", "mujoco"]
        entry = str(gymnasium.registry[self.env_id].entry_point)
        if "gymnasium_robotics" in entry or "D4RLKitchen" in entry:  # the latter by its meshes
            packages.insert(0, "gymnasium-robotics")
        return f"{self.env_id} ({', '.join(f'{p} {version(p)}' for p in packages)})"

    @property
    def walked_maze(self) -> Maze | None:
        """The maze that policies walk in: `maze`, or D4RL's, which places its goals itself."""
        return self.maze or d4rl_maze(self.env_id)

    @property
    def way(self) -> str | None:
        """From which cell to which one a policy is asked to go, and why; None outside of mazes."""
        maze = self.walked_maze
        return None if maze is None else f"from {maze.start} to {maze.goal}, {self.cells}"

    def describe(self) -> dict[str, Any]:
        """Describe the protocol in plain types, to stand beside every score."""
        described: dict[str, Any] = {
            "environment": self.environment,
            "env_kwargs": dict(self.env_kwargs),
            "max_episode_steps": self.max_episode_steps,
            "view": self.view if isinstance(self.view, str) else list(self.view),
            "metric": self.metric,
            "reference": None if self.reference is None else list(self.reference),
        }
        maze = self.walked_maze
        if maze is not None:
            described |= {
                "goal": self.goal,
                "start_noise_m": START_NOISE[self.goal] * maze.scale,
                "success_radius_m": SUCCESS_RADIUS,
                "start_cell": list(maze.start),
                "goal_cell": list(maze.goal),
                "cells": self.cells,
            }
        return described
