"""Counts where in a maze the data have been."""

import numpy as np
from numpy.typing import NDArray

from ivr.mazes import Maze

BINS = 8
"""Bins along a side of a cell."""


class Occupancy:
    """Counts the positions in every bin of a maze."""

    def __init__(self, maze: Maze) -> None:
        self.maze = maze
        self.counts = np.zeros((len(maze.layout) * BINS, len(maze.layout[0]) * BINS), np.int64)
        self.outside = 0
        """Positions that are in no free cell."""

    def add(self, positions: NDArray[np.floating]) -> None:
        """Add positions (n, 2) in metres."""
        rows, columns = self.counts.shape
        column = np.floor(positions[:, 0] / self.maze.scale * BINS + columns / 2).astype(np.int64)
        row = np.floor(rows / 2 - positions[:, 1] / self.maze.scale * BINS).astype(np.int64)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        np.add.at(self.counts, (row[inside], column[inside]), 1)
        walls = np.asarray(self.maze.layout, np.bool_)
        walled = walls[row[inside] // BINS, column[inside] // BINS]
        self.outside += int((~inside).sum() + walled.sum())
