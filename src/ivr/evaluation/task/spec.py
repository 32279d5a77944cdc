"""What a policy is evaluated on, as a configuration says it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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

    @property
    def d4rl_maze(self) -> str | None:
        """The maze of D4RL's AntMaze, which is not named by `maze`: it places its own goals."""
        found = re.fullmatch(r"ivr/D4RLAntMaze-(umaze|medium|large)-v2", self.env or "")
        return found[1] if found else None


D4RL_CELL = 4.0
"""Side of a cell of D4RL's AntMaze, in metres."""
