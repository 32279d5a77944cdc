"""What a policy is evaluated on, as a configuration says it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ivr.mazes import Maze


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """The keys of a configuration's dataset node that decide how a policy is evaluated."""

    name: str
    env: str | None = None
    """Id of a registered environment ("module:Id-v0" imports the module first), or None for the
    one that the data record."""
    env_kwargs: Mapping[str, Any] | None = None
    max_episode_steps: int | None = None
    """None for the environment's own limit."""
    view: str | Sequence[str] = "d4rl"
    """The data's, see `agreement.views.View`."""
    maze: str | None = None
    """Name of the maze whose goal is placed."""
    maze_scale: float | None = None
    """Side of a cell of the maze, in metres."""
    goal: str = "centre"
    """How goal and start vary; see `wrappers.PlacedGoal`."""
    reference: Sequence[float] | None = None
    """The [min, max] that scores are normalised by."""
    metric: str = "return"
    """success, return or tasks."""


def d4rl_maze(env_id: str | None) -> Maze | None:
    """The maze of D4RL's AntMaze, which places its goals itself; None for another environment."""
    found = re.fullmatch(r"ivr/D4RLAntMaze-(umaze|medium|large)-v2", env_id or "")
    return replace(Maze.named(found[1], 4.0), d4rl_frame=True) if found else None
