"""What a policy is evaluated on: an environment, its protocol and its reference scores."""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import gymnasium
import gymnasium_robotics
import numpy as np

from ivr.errors import UserError
from ivr.evaluation.recorded import RecordedEnvironment, read_recorded
from ivr.evaluation.wrappers import (
    START_NOISE,
    Env,
    FlatView,
    PlacedGoal,
    private_temporary_folder,
)
from ivr.mazes import SUCCESS_RADIUS, Maze

gymnasium.register_envs(gymnasium_robotics)

_CHOICES = {
    "view": ("d4rl", "goal_conditioned", "flat"),
    "metric": ("success", "return"),
    "goal": tuple(START_NOISE),
    "maze": ("umaze", "medium", "large", None),
}


@dataclass(frozen=True)
class Task:
    """An environment as the data see it, with the protocol of its evaluation.

    Plain data, so that it can be sent to another process; `make_env` builds the environment.
    """

    name: str
    env_id: str
    env_kwargs: Mapping[str, Any]
    max_episode_steps: int
    view: str
    maze: Maze | None
    goal: str
    reference: tuple[float, float] | None
    metric: str

    def make_env(self, render_mode: str | None = None) -> Env:
        """A new environment; observations are float32 vectors (O,), as in the dataset's view.

        Raises:
            UserError: it cannot be made, or does not fit the view or the maze.
        """
        kwargs = dict(self.env_kwargs)
        if self.maze is not None:
            rows: list[list[int | str]] = [list(row) for row in self.maze.layout]
            for mark, (row, column) in (("r", self.maze.start), ("g", self.maze.goal)):
                rows[row][column] = mark
            # The goal is moved and judged by the wrapper alone.
            kwargs |= {"maze_map": rows, "continuing_task": True, "reset_target": False}
        try:
            with private_temporary_folder():
                env: Env = gymnasium.make(
                    gymnasium.registry[self.env_id],
                    max_episode_steps=self.max_episode_steps,
                    disable_env_checker=True,
                    render_mode=render_mode,
                    **kwargs,
                )
        except Exception as error:  # whatever a third-party constructor raises
            raise UserError(
                f"The environment dataset.env={self.env_id} cannot be made with "
                f"dataset.env_kwargs={dict(self.env_kwargs)}: {type(error).__name__}: {error}"
            ) from error
        if self.maze is not None:
            env = PlacedGoal(_in_maze(env, self.env_id, self.maze), self.maze, self.goal)
        return FlatView(env, self._keys(env))

    def _keys(self, env: Env) -> tuple[str, ...]:
        """The entries of the observation that make up the view, in order; () for a plain box."""
        space = env.observation_space
        if self.view == "flat":
            keys: tuple[str, ...] = ()
            fits = isinstance(space, gymnasium.spaces.Box)
        else:
            # PointMaze's observation starts with the position, AntMaze's leaves it out.
            repeated = self.env_id.startswith("PointMaze")
            keys = ("observation",) if repeated else ("achieved_goal", "observation")
            keys += ("desired_goal",) if self.view == "goal_conditioned" else ()
            fits = isinstance(space, gymnasium.spaces.Dict) and set(keys) <= set(space.spaces)
        if not fits:
            raise UserError(
                f"dataset.view={self.view} does not fit {self.env_id}, whose observations are "
                f"{space}. Use dataset.view=flat for a box, d4rl or goal_conditioned for a "
                "dictionary with observation, achieved_goal and desired_goal."
            )
        return keys

    @property
    def environment(self) -> str:
        """The environment's id and the versions that its scores depend on."""
        packages = ["gymnasium", "mujoco"]
        if "gymnasium_robotics" in str(gymnasium.registry[self.env_id].entry_point):
            packages.insert(0, "gymnasium-robotics")
        return f"{self.env_id} ({', '.join(f'{p} {version(p)}' for p in packages)})"

    def describe(self) -> dict[str, Any]:
        """The protocol, in plain types, to stand beside every score."""
        described: dict[str, Any] = {
            "environment": self.environment,
            "max_episode_steps": self.max_episode_steps,
            "view": self.view,
            "metric": self.metric,
            "reference": None if self.reference is None else list(self.reference),
        }
        if self.maze is not None:
            described |= {
                "goal": self.goal,
                "start_noise_m": START_NOISE[self.goal] * self.maze.scale,
                "success_radius_m": SUCCESS_RADIUS,
            }
        return described


def make_task(
    *,
    name: str,
    env: str | None,
    env_kwargs: Mapping[str, Any] | None,
    max_episode_steps: int | None,
    view: str,
    maze: str | None,
    maze_scale: float,
    goal: str,
    reference: Sequence[float] | None,
    metric: str,
    dataset_env_spec: str | None,
    observation_dim: int,
    action_low: Sequence[float],
    action_high: Sequence[float],
) -> Task | None:
    """The task of the `dataset` keys of a config, checked against the data.

    Args:
        env: id of a registered environment ("module:Id-v0" imports the module first), or None
            for the one that the dataset records.
        max_episode_steps: None for the environment's own limit.
        dataset_env_spec: JSON of the recorded EnvSpec; only its id and arguments are used.
        observation_dim: numbers in an observation of the data's view.
        action_low: bounds of the data's actions, (A,); action_high likewise.

    Returns:
        The task, or None where neither the config nor the data name an environment.

    Raises:
        UserError: a value is not allowed, or environment and data do not fit.
    """
    for key, value in {"view": view, "metric": metric, "goal": goal, "maze": maze}.items():
        if value not in _CHOICES[key]:
            allowed = ", ".join("null" if choice is None else choice for choice in _CHOICES[key])
            raise UserError(f"dataset.{key}={value} is not one of {allowed}.")
    if reference is not None and (len(reference) != 2 or reference[0] >= reference[1]):
        raise UserError(f"dataset.reference={list(reference)} must be [min, max], min below max.")
    recorded = None
    # The record of data whose environment is named in the config matters for its walls only.
    if dataset_env_spec is not None and (env is None or maze is not None):
        recorded = read_recorded(dataset_env_spec)
    if env is None and recorded is None:
        return None
    placed = None if maze is None else Maze.named(maze, maze_scale)
    if placed and recorded and recorded.walls not in (None, placed.layout):
        raise UserError(
            f"dataset.maze={maze} has other walls than the maze of the data, so scores would mean "
            f"nothing. The data's: {recorded.walls}. Set dataset.maze to theirs."
        )
    if env is None:
        assert recorded is not None
        env_id, limit = _recorded_id(recorded), recorded.max_episode_steps
        kwargs = {**recorded.kwargs, **(env_kwargs or {})}
    else:
        module, _, env_id = env.rpartition(":")
        if module:
            importlib.import_module(module)
        limit, kwargs = None, dict(env_kwargs or {})
    spec = gymnasium.registry.get(env_id)
    if spec is None:
        near = difflib.get_close_matches(env_id, gymnasium.registry, n=3)
        raise UserError(
            f"dataset.env={env_id} is not a registered environment"
            + (f"; near it are {', '.join(near)}." if near else ".")
            + " Set dataset.env to an id with its version, or to module:id to import its module."
        )
    steps = max_episode_steps or limit or spec.max_episode_steps
    if steps is None:
        raise UserError(f"{env_id} has no time limit of its own: set dataset.max_episode_steps.")
    bounds = None if reference is None else (float(reference[0]), float(reference[1]))
    task = Task(name, env_id, kwargs, int(steps), view, placed, goal, bounds, metric)
    _check(task, observation_dim, action_low, action_high)
    return task


def _recorded_id(recorded: RecordedEnvironment) -> str:
    if recorded.wrappers:
        raise UserError(
            f"The dataset records {recorded.id} inside the wrappers {', '.join(recorded.wrappers)}"
            f", which are not run from a data file. Set dataset.env={recorded.id} to evaluate "
            "without them."
        )
    return recorded.id


def _in_maze(env: Env, env_id: str, maze: Maze) -> Env:
    inner = getattr(env.unwrapped, "maze", None)
    if inner is None or not hasattr(env.unwrapped, "position_noise_range"):
        raise UserError(
            f"dataset.env={env_id} has no maze whose goal can be placed: use AntMaze_*-v4 or "
            "PointMaze_*-v3, or set dataset.maze=null."
        )
    if inner.maze_size_scaling != maze.scale:
        raise UserError(
            f"dataset.maze_scale={maze.scale}, but a cell of {env_id} measures "
            f"{inner.maze_size_scaling} metres: set dataset.maze_scale={inner.maze_size_scaling}."
        )
    return env


def _check(
    task: Task, observation_dim: int, action_low: Sequence[float], action_high: Sequence[float]
) -> None:
    env = task.make_env()
    try:
        shape = env.observation_space.shape
        if shape != (observation_dim,):
            raise UserError(
                f"{task.env_id} gives observations of shape {shape} in dataset.view={task.view}, "
                f"the data have ({observation_dim},). Change dataset.view, or dataset.env to the "
                "environment and version that the data were collected in."
            )
        space = env.action_space
        low, high = np.asarray(action_low, float), np.asarray(action_high, float)
        if not isinstance(space, gymnasium.spaces.Box) or space.shape != low.shape:
            raise UserError(
                f"{task.env_id} takes actions {space}, the data have shape {low.shape}. Change "
                "dataset.env to the environment that the data were collected in."
            )
        if not (np.allclose(space.low, low) and np.allclose(space.high, high)):
            raise UserError(
                f"{task.env_id} takes actions from {space.low.tolist()} to {space.high.tolist()}, "
                f"the data's go from {low.tolist()} to {high.tolist()}. Change dataset.env or "
                "dataset.env_kwargs to the environment that the data were collected in."
            )
        env.reset(seed=0)
        info = env.step(np.clip(np.zeros(space.shape, space.dtype), space.low, space.high))[4]
        if task.metric == "success" and "success" not in info:
            raise UserError(
                f"dataset.metric=success, but {task.env_id} reports no success: use "
                "dataset.metric=return."
            )
    finally:
        env.close()
