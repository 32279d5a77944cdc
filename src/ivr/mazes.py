"""Describes grid mazes: where a cell lies, D4RL's evaluation cells, and the shortest paths.

Geometry is Gymnasium-Robotics': cells are (row, column), the maze is centred on the origin,
x grows with the column and y falls with the row.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cell = tuple[int, int]

_LAYOUTS = {
    "umaze": ("11111", "10001", "11101", "10001", "11111"),
    "medium": (
        "11111111",
        "10011001",
        "10010001",
        "11000111",
        "10010001",
        "10100101",
        "10001001",
        "11111111",
    ),
    "large": (
        "111111111111",
        "100001000001",
        "101101010101",
        "100000010001",
        "101111011101",
        "100101000001",
        "110101010111",
        "100100010001",
        "111111111111",
    ),
}

MAZES = tuple(_LAYOUTS)
"""Names that `Maze.named` knows."""

# D4RL evaluates from one far corner to the other.
_EVALUATION_CELLS: dict[str, tuple[Cell, Cell]] = {
    "umaze": ((1, 1), (3, 1)),
    "medium": ((1, 1), (6, 6)),
    "large": ((1, 1), (7, 9)),
}

SUCCESS_RADIUS = 0.5
"""Distance to the goal, in metres, at which D4RL counts a success and ends the episode."""


@dataclass(frozen=True)
class Maze:
    """Walls (1) and free cells (0), the size of a cell in metres, and the evaluation cells."""

    layout: tuple[tuple[int, ...], ...]
    scale: float
    start: Cell
    goal: Cell
    d4rl_frame: bool = False
    """Whether positions are those of D4RL's AntMaze: see `centred`."""

    @classmethod
    def named(cls, name: str, scale: float) -> "Maze":
        """Make the maze `name` (umaze, medium or large) with cells of `scale` metres."""
        start, goal = _EVALUATION_CELLS[name]
        layout = tuple(tuple(int(cell) for cell in row) for row in _LAYOUTS[name])
        return cls(layout, scale, start, goal)

    def free_cells(self) -> list[Cell]:
        """List the cells without a wall, in row-major order."""
        return [
            (r, c) for r, row in enumerate(self.layout) for c, wall in enumerate(row) if not wall
        ]

    def centre(self, cell: Cell) -> NDArray[np.float64]:
        """Return the middle of a cell, (x, y) in metres."""
        rows, columns = len(self.layout), len(self.layout[0])
        x = (cell[1] + 0.5 - columns / 2) * self.scale
        y = (rows / 2 - cell[0] - 0.5) * self.scale
        return np.array([x, y])

    def cell(self, xy: NDArray[np.floating]) -> Cell:
        """Find the cell that holds the point (x, y)."""
        rows, columns = len(self.layout), len(self.layout[0])
        row = int(np.floor(rows / 2 - xy[1] / self.scale))
        column = int(np.floor(xy[0] / self.scale + columns / 2))
        return row, column

    def shortest_path(self, start: Cell, goal: Cell) -> list[Cell]:
        """Find the shortest path, start and goal included, over cells that share a side."""
        previous: dict[Cell, Cell] = {start: start}
        queue = deque([start])
        while queue:
            at = queue.popleft()
            if at == goal:
                break
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                to = (at[0] + dr, at[1] + dc)
                if not self.layout[to[0]][to[1]] and to not in previous:
                    previous[to] = at
                    queue.append(to)
        path = [goal]
        while path[-1] != start:
            path.append(previous[path[-1]])
        return path[::-1]

    def from_d4rl(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Convert positions (..., 2) of D4RL's AntMaze to the frame of `centre`.

        There the origin is the start cell's centre, and y grows with the row.
        """
        return np.asarray(self.centre(self.start) + positions * (1, -1), np.float64)

    def centred(self, positions: NDArray[np.floating]) -> NDArray[np.floating]:
        """Convert recorded positions (..., 2) to the frame of `centre`."""
        return self.from_d4rl(positions) if self.d4rl_frame else positions

    def leads(self, positions: NDArray[np.floating]) -> bool:
        """Check whether (T, 2) positions are in the start cell and later near the goal."""
        inside = np.abs(positions - self.centre(self.start)).max(1) <= self.scale / 2
        near = np.linalg.norm(positions - self.centre(self.goal), axis=1) <= SUCCESS_RADIUS
        return bool(inside.any() and near[np.argmax(inside) :].any())

    def connects(
        self, positions: NDArray[np.floating], goal: NDArray[np.floating] | None = None
    ) -> bool:
        """Check whether (T, 2) positions are near the start and later near the goal.

        Args:
            positions: in metres.
            goal: (2,), by default the centre of the goal cell.
        """
        ends = self.centre(self.start), self.centre(self.goal) if goal is None else goal
        near = [np.linalg.norm(positions - end, axis=1) <= SUCCESS_RADIUS for end in ends]
        return bool(near[0].any() and near[1][np.argmax(near[0]) :].any())

    def next_cells(self, target: Cell) -> dict[Cell, Cell]:
        """Find the next cell on a shortest path to `target`, from each free cell."""
        return {
            cell: self.shortest_path(cell, target)[1] if cell != target else target
            for cell in self.free_cells()
        }
