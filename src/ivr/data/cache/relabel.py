"""Rewards and ends recomputed for a goal.

Minari's maze data come from environments that go on after a success. D4RL's protocol, in which
a success gives reward 1 and ends the episode, is restored here from the recorded positions.
"""

import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError
from ivr.mazes import SUCCESS_RADIUS, Maze

Layout = tuple[tuple[int, ...], ...]


class Relabelled(NamedTuple):
    """How many transitions of an episode are kept, and their new labels."""

    steps: int
    rewards: NDArray[np.float32]  # (steps,)
    terminated: NDArray[np.bool_]  # (steps,)


def relabel(positions: NDArray[np.floating], goals: NDArray[np.floating]) -> Relabelled:
    """Reward 1 and the end of the episode where the goal is first reached, else reward 0.

    Transition t succeeds when the position *after* it lies within SUCCESS_RADIUS of the goal, as
    the environment of the evaluation judges it. Steps after the first success are cut.

    Args:
        positions: (T + 1, 2) achieved goals, metres.
        goals: (2,) or (T + 1, 2), the goal that holds at each observation.
    """
    reached = np.linalg.norm(positions - goals, axis=-1)[1:] <= SUCCESS_RADIUS
    steps = int(np.argmax(reached)) + 1 if reached.any() else len(reached)
    return Relabelled(steps, reached[:steps].astype(np.float32), reached[:steps])


def recorded_layout(env_spec: str | None) -> Layout | None:
    """Walls (1) and free cells (0) of the maze in a recorded EnvSpec; None where it has none."""
    try:
        kwargs = json.loads(env_spec).get("kwargs", {}) if env_spec else {}
        cells = kwargs.get("maze_map")
        # A marked cell ("r", "g", "c") is a free one.
        return tuple(tuple(int(cell == 1) for cell in row) for row in cells) if cells else None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"the dataset's record of its environment is damaged: {error}") from error


def check_walls(layout: Layout | None, maze: Maze, name: str) -> None:
    """Raise a UserError where the data come from another maze than the evaluation's."""
    if layout is None or layout == maze.layout:
        return

    def draw(cells: Layout) -> str:
        return "\n".join("  " + "".join(".#"[cell] for cell in row) for row in cells)

    raise UserError(
        f"dataset.maze={name} is not the maze that the data were collected in.\n"
        f"evaluation:\n{draw(maze.layout)}\ndata:\n{draw(layout)}\n"
        "Choose the dataset.maze that matches the data."
    )
