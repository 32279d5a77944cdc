"""Checks, before training, that an environment fits the data."""

import re
from typing import Any

import gymnasium
import numpy as np

from ivr.agreement.bounds import same_bounds
from ivr.agreement.views import View, check_view
from ivr.errors import UserError
from ivr.evaluation.task.wrappers import Env
from ivr.mazes import Maze
from ivr.types import DataFacts

_NO_BOUND = 1e30
"""From here on a bound is none: some environments have the greatest number of float32."""


def check_maze_id(env_id: str) -> None:
    """Check that the environment is a maze whose goal can be placed."""
    # AntMaze v3 does not scale the start's noise with the maze.
    if not re.fullmatch("AntMaze_.*-v[45]|PointMaze_.*-v3", env_id):
        raise UserError(
            f"dataset.env={env_id} is not a maze whose goal can be placed: use AntMaze_*-v4 or "
            "PointMaze_*-v3, or set dataset.maze=null."
        )


def check_maze_scale(env: Env, env_id: str, maze: Maze) -> None:
    """Check that the cells of the environment's maze have the size of the data's."""
    unwrapped: Any = env.unwrapped
    scale = unwrapped.maze.maze_size_scaling
    if scale != maze.scale:
        raise UserError(
            f"dataset.maze_scale={maze.scale}, but a cell of {env_id} measures "
            f"{scale} metres: set dataset.maze_scale={scale}."
        )


def check_observations(env: Env, env_id: str, view: View) -> None:
    """Check that the view fits the environment's observations."""
    space = env.observation_space
    if isinstance(space, gymnasium.spaces.Box):
        check_view(view, {"observation"}, False, env_id)
    elif isinstance(space, gymnasium.spaces.Dict):
        boxes = {key: box for key, box in space.items() if isinstance(box, gymnasium.spaces.Box)}
        check_view(view, {key for key, box in boxes.items() if len(box.shape) == 1}, True, env_id)
    else:
        raise UserError(
            f"The observations of {env_id} are {space}: only a Box, or a Dict with vectors (Box of "
            "one axis), can be learned from. Choose another dataset.env."
        )


def check_spaces(env: Env, env_id: str, view: View, data: DataFacts) -> None:
    """Observations and actions have the data's shapes, and actions the data's bounds."""
    shape = env.observation_space.shape
    if shape != (data.observation_dim,):
        raise UserError(
            f"{env_id} gives observations of shape {shape} in dataset.view={view}, the data have "
            f"({data.observation_dim},). Change dataset.view, dataset.env to the environment and "
            "version that the data were collected in, or its arguments, as in "
            "dataset.env_kwargs.use_contact_forces=true."
        )
    space = env.action_space
    low, high = np.asarray(data.action_low, float), np.asarray(data.action_high, float)
    if not isinstance(space, gymnasium.spaces.Box) or space.shape != low.shape:
        raise UserError(
            f"{env_id} takes actions from {space}, the data's have shape {low.shape}. Change "
            "dataset.env to the environment that the data were collected in."
        )
    # Where it has no bounds, any will do: those that were given for the data.
    theirs = [
        np.where(np.abs(own) < _NO_BOUND, own, ours).tolist()
        for own, ours in ((space.low, low), (space.high, high))
    ]
    if not same_bounds((theirs[0], theirs[1]), (data.action_low, data.action_high)):
        raise UserError(
            f"{env_id} takes actions from {space.low.tolist()} to {space.high.tolist()}, the "
            f"data's go from {low.tolist()} to {high.tolist()}. Change dataset.env or "
            "dataset.env_kwargs to the environment that the data were collected in."
        )


def reported(env: Env) -> frozenset[str]:
    """List the entries of a step's info.

    Raises:
        UserError: the environment raises.
    """
    space = env.action_space
    assert isinstance(space, gymnasium.spaces.Box)
    idle = np.clip(np.zeros(space.shape, np.float32), space.low, space.high)
    try:
        env.reset(seed=0)
        return frozenset(env.step(idle)[4])
    except Exception as error:  # whatever an environment raises
        raise UserError(
            f"{env.spec and env.spec.id} was tried out and failed: "
            f"{type(error).__name__}: {error}. Mend it, or choose another dataset.env."
        ) from error
