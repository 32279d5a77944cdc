"""From a `TaskSpec` to the task that policies are evaluated on."""

import difflib
import importlib
import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import gymnasium

from ivr.agreement.views import VIEWS
from ivr.agreement.walls import check_walls, placed, recorded_walls
from ivr.errors import UserError
from ivr.evaluation.task.checks import check_maze_id, check_spaces, reported
from ivr.evaluation.task.recorded import (
    RecordedEnvironment,
    RecordedEnvironmentError,
    read_recorded,
)
from ivr.evaluation.task.spec import TaskSpec, d4rl_maze
from ivr.evaluation.task.task import TASKS, NotMadeError, Task
from ivr.evaluation.task.wrappers import START_NOISE
from ivr.mazes import MAZES, Maze
from ivr.types import DataFacts

__all__ = ["RecordedEnvironmentError", "Task", "bounds_of", "make_task"]

_CHOICES = {
    "view": VIEWS,
    "metric": ("success", "return", "tasks"),
    "goal": tuple(START_NOISE),
    "maze": (*MAZES, None),
}


_LONGEST = 1_000_000
"""Steps of an episode that somebody waits for."""


def make_task(
    spec: TaskSpec, data: DataFacts, env_spec: str | None, requirements: Sequence[str] = ()
) -> Task | None:
    """The task of a configuration, checked against the data.

    Args:
        spec: what the configuration says.
        data: sizes and bounds that the environment must have.
        env_spec: JSON of the EnvSpec that the data record; only its id and arguments are used.
        requirements: packages that the data say it needs, for the message; see `DatasetInfo`.

    Returns:
        The task, or None where neither the configuration nor the data name an environment.

    Raises:
        UserError: a value is not allowed, or environment and data do not fit.
        RecordedEnvironmentError: nobody named an environment, and the one that the data record
            cannot be had here.
    """
    if data.entries and spec.view == "flat":
        spec = replace(spec, view=list(data.entries))
    task = _task(spec, env_spec, requirements)
    if task is None:
        return None
    env_id, metric = task.env_id, task.metric
    try:
        made = task.make_env()
    except NotMadeError as error:
        if spec.env is None and not spec.env_kwargs:
            raise RecordedEnvironmentError(str(error)) from error
        raise
    with closing(made):
        check_spaces(made, env_id, spec.view, data)
        told = reported(made)
    for kind, word in {"success": "success", "tasks": TASKS}.items():
        if metric == kind and word not in told:
            raise UserError(
                f"dataset.metric={kind}, but {env_id} reports no {kind}: use dataset.metric=return."
            )
    if metric == "tasks" and task.reference is None:
        raise UserError("dataset.metric=tasks needs dataset.reference=[0, the number of tasks].")
    return replace(task, reports_success="success" in told)


def bounds_of(spec: TaskSpec) -> tuple[list[float], list[float]] | None:
    """The least and greatest actions of the environment that a configuration names, (A,) each.

    Returns:
        None where it names none, or one that takes any action or actions of another kind.

    Raises:
        UserError: a value is not allowed, or the environment cannot be made.
    """
    task = None if spec.env is None else _task(spec, None, ())
    if task is None:
        return None
    with closing(task.make_env()) as made:
        space = made.action_space
    if not isinstance(space, gymnasium.spaces.Box) or not space.is_bounded():
        return None
    return space.low.tolist(), space.high.tolist()


def _task(spec: TaskSpec, env_spec: str | None, requirements: Sequence[str]) -> Task | None:
    """The task of a configuration, for any data."""
    env, maze, metric, reference = spec.env, spec.maze, spec.metric, spec.reference
    for key, choices in _CHOICES.items():
        value = getattr(spec, key)
        if isinstance(value, str | None) and value not in choices:  # else names, checked later
            allowed = ", ".join("null" if choice is None else choice for choice in choices)
            raise UserError(f"dataset.{key}={value} is not one of {allowed}.")
    if reference is not None and (len(reference) != 2 or reference[0] >= reference[1]):
        raise UserError(f"dataset.reference={list(reference)} must be [min, max], min below max.")
    recorded = None
    if env_spec is not None and env is None:
        recorded = read_recorded(env_spec)
    if env is None and recorded is None:
        return None
    chosen, cells = None, "D4RL's"
    if maze is not None:
        chosen = Maze.named(maze, spec.maze_scale or 0.0)
        check_walls(recorded_walls(env_spec), chosen, str(maze))
        chosen, cells = placed(chosen, env_spec)
    if env is None:
        assert recorded is not None
        env_id, limit = _recorded_id(recorded), recorded.max_episode_steps
        kwargs = {**recorded.kwargs, **(spec.env_kwargs or {})}
    else:
        module, _, env_id = env.rpartition(":")
        if module:
            _import(module, env)
        limit, kwargs = None, dict(spec.env_kwargs or {})
    registered = gymnasium.registry.get(env_id)
    if registered is None and env is None:
        packages = " ".join(map(shlex.quote, requirements))
        install = f"They say that it needs: pip install {packages}. " if packages else ""
        raise RecordedEnvironmentError(
            f"The data record the environment {env_id}, which is not installed here. {install}"
            f"Once it is, dataset.env=MODULE:{env_id} imports the module that registers it."
        )
    if registered is None:
        near = difflib.get_close_matches(env_id, gymnasium.registry, n=3)
        raise UserError(
            f"dataset.env={env_id} is not a registered environment"
            + (f"; near it are {', '.join(near)}." if near else ".")
            + " Set dataset.env to an id with its version, or to module:id to import its module."
        )
    if chosen is not None:
        check_maze_id(env_id)
    if d4rl_maze(env_id) is not None and spec.goal != "d4rl_v2":
        raise UserError(
            f"dataset.goal={spec.goal}: {env_id} draws a goal at each reset, as D4RL does: set "
            "dataset.goal=d4rl_v2."
        )
    steps = spec.max_episode_steps or limit or registered.max_episode_steps
    if steps is None:
        raise UserError(f"{env_id} has no time limit of its own: set dataset.max_episode_steps.")
    if steps > _LONGEST:
        message = (
            f"an episode of {env_id} would take up to {steps:,} steps: set "
            f"dataset.max_episode_steps, to {_LONGEST:,} at most"
        )
        raise RecordedEnvironmentError(message) if env is None else UserError(message)
    bounds = None if reference is None else (float(reference[0]), float(reference[1]))
    return Task(
        spec.name,
        env_id,
        kwargs,
        int(steps),
        spec.view,
        chosen,
        spec.goal,
        bounds,
        metric,
        False,
        cells,
    )


def _import(module: str, env: str) -> None:
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever a third party's module raises
        raise UserError(
            f"dataset.env={env} asks to import {module!r} first, which fails: "
            f"{type(error).__name__}: {error}. Install it, "
            "or put its folder on PYTHONPATH."
        ) from error


def _recorded_id(recorded: RecordedEnvironment) -> str:
    if recorded.wrappers:
        raise RecordedEnvironmentError(
            f"The dataset records {recorded.id} inside the wrappers {', '.join(recorded.wrappers)}"
            f", which are not run from a data file. Set dataset.env={recorded.id} to evaluate "
            "without them."
        )
    return recorded.id
