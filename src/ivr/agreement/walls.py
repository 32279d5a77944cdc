"""The maze that the data and the evaluation must have in common: walls, start and goal."""

import json
from dataclasses import replace

from ivr.errors import UserError
from ivr.mazes import Cell, Maze

Walls = tuple[tuple[int, ...], ...]
"""Rows of cells: 1 for a wall, 0 for a free one."""

_MOST_CELLS = 10_000
"""The largest published maze has 108; walls are kept in memory, compared and drawn."""


def recorded_walls(env_spec: str | None) -> Walls | None:
    """Read the walls out of a recorded EnvSpec, in JSON; None where it has no maze.

    Raises:
        UserError: the record cannot be read.
    """
    cells = _recorded_map(env_spec)
    # A cell that marks a start or a goal ("r", "g", "c") is a free one.
    return None if cells is None else tuple(tuple(int(c == 1) for c in row) for row in cells)


def _recorded_map(env_spec: str | None) -> list[list[object]] | None:
    try:
        kwargs = (json.loads(env_spec).get("kwargs") if env_spec else None) or {}
        cells = kwargs.get("maze_map")
        if cells is not None and sum(map(len, cells)) > _MOST_CELLS:
            raise ValueError(f"maze_map has more than {_MOST_CELLS:,} cells")
        rows = None if cells is None else [list(row) for row in cells]
        if rows is not None and len({len(row) for row in rows}) != 1:
            raise ValueError("the rows of maze_map are not equally long")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            "The dataset records its environment in a form that cannot be read "
            f"({type(error).__name__}: {error}). Mend the record, or remove it."
        ) from error
    return rows


def placed(maze: Maze, env_spec: str | None) -> tuple[Maze, str]:
    """Take the start and the goal that the data mark in their maze, where they mark one of each.

    Minari's umaze was collected the other way round than D4RL's, from (3, 1) to (1, 1): there the
    policies of the data do not know D4RL's way.

    Args:
        maze: with D4RL's start and goal.
        env_spec: the recorded EnvSpec, in JSON, whose walls are those of `maze`.

    Returns:
        The maze, and in words whose start and goal it has.

    Raises:
        UserError: the record cannot be read.
    """
    rows = enumerate(_recorded_map(env_spec) or [])
    marked = [((r, c), mark) for r, row in rows for c, mark in enumerate(row) if mark not in (0, 1)]
    # "c" marks a cell that is drawn as a start or as a goal.
    starts: list[Cell] = [cell for cell, mark in marked if mark in ("r", "c")]
    goals: list[Cell] = [cell for cell, mark in marked if mark in ("g", "c")]
    if len(starts) == len(goals) == 1 and starts != goals:
        return replace(maze, start=starts[0], goal=goals[0]), "as the data mark them"
    if not starts and not goals:
        return maze, "D4RL's, as the data mark none"
    counts = " and ".join(
        f"{len(cells) or 'no'} {word}{'' if len(cells) == 1 else 's'}"
        for cells, word in ((starts, "start"), (goals, "goal"))
    )
    return maze, f"D4RL's, as the data mark {counts}, and not one of each"


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
