"""Draws where policies walk in a maze, over their values, and how often they are where."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
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

Rect = tuple[float, float, float, float]
"""Left, bottom, width and height, as shares of a figure."""

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
    rows, columns = _bins(maze)
    observations = observations[:: -(-len(observations) // _MOST)]
    found = _bin_of(observations[:, :2].cpu().double().numpy(), maze)
    chosen = _some_of_each(found)
    if len(chosen) == 0:
        return None
    sample = observations[torch.from_numpy(chosen).to(observations.device)]
    with torch.no_grad():
        values = policy.state_value(sample.to(device).expand(members, -1, -1))
    if values is None:
        return None
    bins = found[chosen]
    counts = np.bincount(bins, minlength=rows * columns).astype(np.float64)
    sums = np.bincount(bins, values[member].double().cpu().numpy(), minlength=rows * columns)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (sums / counts).reshape(rows, columns)
    return means


def _bins(maze: Maze) -> tuple[int, int]:
    """Rows and columns of bins."""
    return len(maze.layout) * BINS, len(maze.layout[0]) * BINS


def _bin_of(positions: NDArray[np.floating], maze: Maze) -> NDArray[np.int64]:
    """The bin of each position (N, 2), counted by rows; -1 outside of the maze."""
    rows, columns = _bins(maze)
    x, y = maze.centred(positions).T / maze.scale * BINS
    column = np.floor(x + columns / 2).astype(np.int64)
    row = np.floor(rows / 2 - y).astype(np.int64)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return np.where(inside, row * columns + column, -1)


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
    figure, (axes,), bar = _canvas(maze, 1, 0.4)
    if values is not None:
        image = axes.imshow(values, extent=_extent(maze), cmap="viridis", interpolation="nearest")
        figure.colorbar(image, cax=figure.add_axes(bar), label="V")
    _draw_maze(axes, maze)
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
    axes.set_title(title, fontsize=11)
    handles = [
        Line2D([], [], color=_COLOURS[True], lw=2, label=f"success {sum(reached)}"),
        Line2D([], [], color=_COLOURS[False], lw=2, label=f"failure {reached.count(False)}"),
    ]
    legend = axes.legend(handles=handles, loc="upper right", fontsize=8, facecolor=_WALL, ncol=2)
    for text in legend.get_texts():
        text.set_color("white")
    return _pixels(figure)


def visited_picture(
    maze: Maze, visited: Mapping[str, NDArray[np.floating]], title: str = ""
) -> NDArray[np.uint8]:
    """Draw how often each part of the maze was visited, one panel beside the other.

    Args:
        maze: what is drawn.
        visited: positions (N, 2) in metres, by the title of their panel; none of them empty.
        title: above the picture.

    Returns:
        (H, W, 3) uint8.
    """
    rows, columns = _bins(maze)
    shares = []
    for positions in visited.values():
        bins = _bin_of(positions, maze)
        counts = np.bincount(bins[bins >= 0], minlength=rows * columns) / len(positions)
        shares.append(counts.reshape(rows, columns))
    # One scale for all, from a single visit of the longest panel.
    once = 1 / max(map(len, visited.values()))
    norm = LogNorm(once, max(10 * once, np.max(shares)))
    figure, panels, bar = _canvas(maze, len(visited), 0.75)
    for axes, name, share in zip(panels, visited, shares, strict=True):
        seen = np.where(share > 0, share, np.nan)
        image = axes.imshow(seen, norm=norm, extent=_extent(maze), cmap="viridis")
        _draw_maze(axes, maze)
        axes.set_title(name, fontsize=10)
    figure.colorbar(image, cax=figure.add_axes(bar), label="share of the steps")
    figure.suptitle(title, fontsize=11)
    return _pixels(figure)


def _canvas(maze: Maze, panels: int, top: float) -> tuple[Figure, list[Axes], Rect]:
    """An empty figure with a place for each panel, to scale, and the place of a colour bar.

    Margins are set in inches: matplotlib's own layout takes half as long as all of the drawing.
    """
    rows, columns = len(maze.layout), len(maze.layout[0])
    inch = 5.5 / max(rows, columns)
    wide, high = columns * inch, rows * inch
    left, gap, right, bottom = 0.7, 0.7, 1.2, 0.6
    width = left + panels * wide + (panels - 1) * gap + right
    height = bottom + high + top
    figure = Figure(figsize=(width, height), dpi=110)
    axes = [
        figure.add_axes(
            ((left + k * (wide + gap)) / width, bottom / height, wide / width, high / height)
        )
        for k in range(panels)
    ]
    bar = (width - right + 0.12) / width, (bottom + 0.08 * high) / height
    return figure, axes, (*bar, 0.2 / width, 0.84 * high / height)


def _extent(maze: Maze) -> tuple[float, float, float, float]:
    """Left, right, bottom and top, in metres."""
    half = np.array([len(maze.layout[0]), len(maze.layout)]) * maze.scale / 2
    return -half[0], half[0], -half[1], half[1]


def _draw_maze(axes: Axes, maze: Maze) -> None:
    """Floor and walls, start and goal, to scale."""
    axes.set_facecolor(_FLOOR)
    for r, line in enumerate(maze.layout):
        for c, wall in enumerate(line):
            if wall:
                corner = maze.centre((r, c)) - maze.scale / 2
                axes.add_patch(Rectangle(tuple(corner), maze.scale, maze.scale, color=_WALL, lw=0))
    axes.plot(*maze.centre(maze.start), "o", ms=9, color="white", mec="black", zorder=4)
    goal = maze.centre(maze.goal)
    axes.add_patch(Circle(tuple(goal), SUCCESS_RADIUS, fill=False, ec="black", lw=1.2, zorder=4))
    axes.plot(*goal, "*", ms=12, color="#ffd24d", mec="black", zorder=4)
    left, right, bottom, top = _extent(maze)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="x (m)", ylabel="y (m)")


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """Draw a figure into an image, (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return rgba[..., :3].copy()
