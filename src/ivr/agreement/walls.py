"""The walls of a maze, which the data and the evaluation must have in common."""

import json

from ivr.errors import UserError
from ivr.mazes import Maze

Walls = tuple[tuple[int, ...], ...]
"""Rows of cells: 1 for a wall, 0 for a free one."""

_MOST_CELLS = 10_000
"""The largest published maze has 108; walls are kept in memory, compared and drawn."""


def recorded_walls(env_spec: str | None) -> Walls | None:
    """Read the walls out of a recorded EnvSpec, in JSON; None where it has no maze.

    Raises:
        UserError: the record cannot be read.
    """
    try:
        kwargs = (json.loads(env_spec).get("kwargs") if env_spec else None) or {}
        cells = kwargs.get("maze_map")
        if cells is not None and sum(map(len, cells)) > _MOST_CELLS:
            raise ValueError(f"maze_map has more than {_MOST_CELLS:,} cells")
        # A cell that marks a start or a goal ("r", "g", "c") is a free one.
        walls = None if cells is None else tuple(tuple(int(c == 1) for c in row) for row in cells)
        if walls is not None and len({len(row) for row in walls}) != 1:
            raise ValueError("the rows of maze_map are not equally long")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            "The dataset records its environment in a form that cannot be read "
            f"({type(error).__name__}: {error}). Mend the record, or remove it."
        ) from error
    return walls


def check_walls(walls: Walls | None, maze: Maze, name: str) -> None:
    """Check that the data come from the maze `name` of the evaluation; unknown walls pass.

    Raises:
        UserError: they come from another one, which the message draws.
    """
    if walls is None or walls == maze.layout:
        return

    def draw(cells: Walls) -> str:
        return "\n".join("  " + "".join(".#"[cell] for cell in row) for row in cells)

    raise UserError(
        f"dataset.maze={name} is not the maze that the data were collected in: it has other "
        f"walls.\nevaluation:\n{draw(maze.layout)}\ndata:\n{draw(walls)}\n"
        "Choose the dataset.maze that matches the data."
    )
