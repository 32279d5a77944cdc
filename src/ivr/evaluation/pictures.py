"""Draws where policies walk in a maze, over their values."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray
from torch import Tensor

from ivr.mazes import SUCCESS_RADIUS, Maze
from ivr.types import Policy

BINS = 4
"""Bins of the value map along a side of a cell."""

OBSERVATIONS_PER_BIN = 8

_MOST = 1 << 20
"""Observations that a value map looks at, so that millions more need no more memory."""

_WALL, _FLOOR = "#2b303b", "#7b8494"
_COLOURS = {True: "#ffffff", False: "#ff6b3d"}  # reached the goal or not; both stand out on viridis


def value_map(
    policy: Policy,
    member: int,
    members: int,
    observations: Tensor,
    maze: Maze,
    device: torch.device | str | None = None,
) -> NDArray[np.float64] | None:
    """Average one member's V over some of the data's observations in every bin of the maze.

    Args:
        policy: whose values.
        member: of the `members` that the policy holds.
        members: R.
        observations: (N, O), raw, beginning with x and y.
        maze: its geometry.
        device: where the policy expects observations; None for where they are.

    Returns:
        (rows * BINS, columns * BINS), NaN where the data never go; None where no V is learned.
    """
    rows, columns = len(maze.layout) * BINS, len(maze.layout[0]) * BINS
    observations = observations[:: -(-len(observations) // _MOST)]
    x, y = maze.centred(observations[:, :2].cpu().double().numpy()).T
    column = np.floor((x / maze.scale) * BINS + columns / 2).astype(np.int64)
    row = np.floor(rows / 2 - (y / maze.scale) * BINS).astype(np.int64)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    chosen = _some_of_each(np.where(inside, row * columns + column, -1))
    if len(chosen) == 0:
        return None
    sample = observations[torch.from_numpy(chosen).to(observations.device)]
    with torch.no_grad():
        values = policy.state_value(sample.to(device).expand(members, -1, -1))
    if values is None:
        return None
    bins = (row * columns + column)[chosen]
    counts = np.bincount(bins, minlength=rows * columns).astype(np.float64)
    sums = np.bincount(bins, values[member].double().cpu().numpy(), minlength=rows * columns)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (sums / counts).reshape(rows, columns)
    return means


def _some_of_each(bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose up to OBSERVATIONS_PER_BIN entries of every bin; bin -1 is left out."""
    shuffled = np.random.default_rng(0).permutation(len(bins))
    order = shuffled[np.argsort(bins[shuffled], kind="stable")]
    found = bins[order]
    rank = np.arange(len(found)) - np.searchsorted(found, found)
    return order[(rank < OBSERVATIONS_PER_BIN) & (found >= 0)]


def maze_picture(
    maze: Maze,
    paths: Sequence[NDArray[np.floating]],
    successes: Sequence[bool] | NDArray[np.bool_] | None,
    values: NDArray[np.float64] | None = None,
    title: str = "",
) -> NDArray[np.uint8]:
    """Draw walls, start, goal, the value map and the paths, coloured by success.

    Args:
        maze: what is drawn.
        paths: arrays (T, 2) of positions in metres.
        successes: one for each path; None draws all as failures.
        values: from `value_map`.
        title: above the picture.

    Returns:
        (H, W, 3) uint8.
    """
    rows, columns = len(maze.layout), len(maze.layout[0])
    half = np.array([columns, rows]) * maze.scale / 2
    extent = (-half[0], half[0], -half[1], half[1])
    inch = 5.5 / max(rows, columns)
    size = (columns * inch + 1.5, rows * inch + 0.9)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=_FLOOR)
    if values is not None:
        image = axes.imshow(values, extent=extent, cmap="viridis", interpolation="nearest")
        figure.colorbar(image, ax=axes, label="V", shrink=0.85, pad=0.02)
    for r, line in enumerate(maze.layout):
        for c, wall in enumerate(line):
            if wall:
                corner = maze.centre((r, c)) - maze.scale / 2
                axes.add_patch(Rectangle(tuple(corner), maze.scale, maze.scale, color=_WALL, lw=0))
    reached = [False] * len(paths) if successes is None else [bool(s) for s in successes]
    # Many paths are drawn fainter; failures lie beneath.
    alpha = max(0.35, min(0.9, 12 / max(len(paths), 1)))
    for success in (False, True):
        lines = [maze.centred(path) for path, s in zip(paths, reached, strict=True) if s == success]
        axes.add_collection(
            LineCollection(lines, colors=_COLOURS[success], linewidths=1.3, alpha=alpha)
        )
        ends = np.array([path[-1] for path in lines]).reshape(-1, 2)
        if not success:
            axes.scatter(
                ends[:, 0], ends[:, 1], s=22, marker="x", color=_COLOURS[success], lw=1.3, zorder=3
            )
    axes.plot(*maze.centre(maze.start), "o", ms=9, color="white", mec="black", zorder=4)
    goal = maze.centre(maze.goal)
    axes.add_patch(Circle(tuple(goal), SUCCESS_RADIUS, fill=False, ec="black", lw=1.2, zorder=4))
    axes.plot(*goal, "*", ms=12, color="#ffd24d", mec="black", zorder=4)
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xlabel="x (m)", ylabel="y (m)")
    axes.set_title(title, fontsize=11)
    handles = [
        Line2D([], [], color=_COLOURS[True], lw=2, label=f"success {sum(reached)}"),
        Line2D([], [], color=_COLOURS[False], lw=2, label=f"failure {reached.count(False)}"),
    ]
    legend = axes.legend(handles=handles, loc="upper right", fontsize=8, facecolor=_WALL, ncol=2)
    for text in legend.get_texts():
        text.set_color("white")
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return rgba[..., :3].copy()
