"""From the `dataset` keys of a config to the task that policies are evaluated on."""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gymnasium

from ivr.agreement.views import VIEWS
from ivr.agreement.walls import check_walls, recorded_walls
from ivr.errors import UserError
from ivr.evaluation.task.checks import check_maze_id, check_spaces, reported
from ivr.evaluation.task.recorded import RecordedEnvironment, read_recorded
from ivr.evaluation.task.task import TASKS, Task
from ivr.evaluation.task.wrappers import START_NOISE
from ivr.mazes import MAZES, Maze

__all__ = ["Task", "make_task"]

_CHOICES = {
    "view": VIEWS,
    "metric": ("success", "return", "tasks"),
    "goal": tuple(START_NOISE),
    "maze": (*MAZES, None),
}


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
    if dataset_env_spec is not None and env is None:
        recorded = read_recorded(dataset_env_spec)
    if env is None and recorded is None:
        return None
    placed = None if maze is None else Maze.named(maze, maze_scale)
    if placed is not None:
        check_walls(recorded_walls(dataset_env_spec), placed, str(maze))
    if env is None:
        assert recorded is not None
        env_id, limit = _recorded_id(recorded), recorded.max_episode_steps
        kwargs = {**recorded.kwargs, **(env_kwargs or {})}
    else:
        module, _, env_id = env.rpartition(":")
        if module:
            _import(module, env)
        limit, kwargs = None, dict(env_kwargs or {})
    spec = gymnasium.registry.get(env_id)
    if spec is None:
        near = difflib.get_close_matches(env_id, gymnasium.registry, n=3)
        raise UserError(
            f"dataset.env={env_id} is not a registered environment"
            + (f"; near it are {', '.join(near)}." if near else ".")
            + " Set dataset.env to an id with its version, or to module:id to import its module."
        )
    if placed is not None:
        check_maze_id(env_id)
    steps = max_episode_steps or limit or spec.max_episode_steps
    if steps is None:
        raise UserError(f"{env_id} has no time limit of its own: set dataset.max_episode_steps.")
    bounds = None if reference is None else (float(reference[0]), float(reference[1]))
    task = Task(name, env_id, kwargs, int(steps), view, placed, goal, bounds, metric, False)
    with closing(task.make_env()) as made:
        check_spaces(made, env_id, view, observation_dim, action_low, action_high)
        told = reported(made)
    for kind, word in {"success": "success", "tasks": TASKS}.items():
        if metric == kind and word not in told:
            raise UserError(
                f"dataset.metric={kind}, but {env_id} reports no {kind}: use dataset.metric=return."
            )
    if metric == "tasks" and bounds is None:
        raise UserError("dataset.metric=tasks needs dataset.reference=[0, the number of tasks].")
    return replace(task, reports_success="success" in told)


def _import(module: str, env: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"dataset.env={env} asks to import {module!r} first, which fails: {error}. Install it, "
            "or put its folder on PYTHONPATH."
        ) from error


def _recorded_id(recorded: RecordedEnvironment) -> str:
    if recorded.wrappers:
        raise UserError(
            f"The dataset records {recorded.id} inside the wrappers {', '.join(recorded.wrappers)}"
            f", which are not run from a data file. Set dataset.env={recorded.id} to evaluate "
            "without them."
        )
    return recorded.id
