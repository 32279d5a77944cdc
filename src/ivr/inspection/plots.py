"""Draws the data card's pictures as SVG."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ivr.inspection.occupancy import Occupancy
from ivr.inspection.tally import Tally
from ivr.mazes import SUCCESS_RADIUS

_NAMED = 30
"""Numbers of an observation that there is room to name."""

_BLUE, _ORANGE, _GREY, _WALL = "#3b6ea8", "#d9792b", "#c9ced6", "#2b303b"


def plots(card: dict[str, Any], tally: Tally) -> dict[str, str]:
    """Draw each picture that the data allow: SVG by title."""
    drawn: dict[str, str] = {}
    kept = tally.kept
    if not kept.lengths:
        return drawn
    drawn["Episode lengths"] = _svg(lambda axes: _spread(axes, kept.lengths, "steps"))
    drawn["Returns"] = _svg(lambda axes: _spread(axes, kept.returns, "return, before transform"))
    if tally.rewards.counts.any():
        drawn["Rewards"] = _svg(lambda axes: _rewards(axes, card, tally))
    rows = len(tally.action_counts)
    drawn["Actions"] = _svg(lambda axes: _actions(axes, tally), height=min(1.9 + 0.2 * rows, 9))
    if tally.observations is not None and tally.observations.count:
        drawn["Observations"] = _svg(lambda axes: _observations(axes, tally))
    if tally.occupancy is not None and tally.occupancy.counts.any():
        occupancy = tally.occupancy
        drawn["Positions"] = _svg(lambda axes: _positions(axes, occupancy), height=4.6)
    return drawn


def _svg(draw: Callable[[Axes], None], height: float = 3.2) -> str:
    figure = Figure(figsize=(5.6, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    draw(axes)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue().decode()


def _cut(name: object) -> str:
    """A name as matplotlib writes it: not too long, a dollar sign no mathematics."""
    said = str(name)
    said = said if len(said) <= 24 else f"{said[:15]}...{said[-6:]}"
    return said.replace("$", r"\$")


def _spread(axes: Axes, values: ArrayLike, name: str) -> None:
    """Draw a histogram over episodes, with the mean."""
    array = np.asarray(values, np.float64)
    bins = int(np.clip(np.ceil(2 * len(array) ** (1 / 3)), 5, 50))  # Rice's rule
    axes.hist(array, bins=bins, color=_BLUE)
    mean = float(array.mean())
    axes.axvline(mean, color=_ORANGE, lw=1.5, label=f"mean {mean:,.4g}")
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1))
    axes.set(xlabel=name, ylabel="episodes")


def _rewards(axes: Axes, card: dict[str, Any], tally: Tally) -> None:
    transform, histogram = card["reward_transform"], tally.rewards
    scale, shift = transform["scale"], transform["shift"]
    words = "reward" if transform["name"] == "none" else f"reward, after {transform['name']}"
    if scale is None:
        scale, shift, words = 1.0, 0.0, "reward, as it is"
    # The histogram's range has grown by doubling: only the part that holds rewards is drawn.
    held = np.flatnonzero(histogram.counts)
    first, last = int(held[0]), int(held[-1]) + 1
    edges = scale * histogram.edges[first : last + 1] + shift
    order = slice(None) if scale > 0 else slice(None, None, -1)
    axes.stairs(histogram.counts[first:last][order], edges[order], fill=True, color=_BLUE)
    # From below 1, so that a bar of one step is seen.
    axes.set(xlabel=words, ylabel="steps", yscale="log", ylim=(0.5, None))


def _actions(axes: Axes, tally: Tally) -> None:
    """Draw a line of shades for each number of an action, with the share at its bounds."""
    counts = tally.action_counts
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows = len(counts)
    image = axes.imshow(
        np.where(shares > 0, shares, np.nan),
        extent=(-1, 1, rows - 0.5, -0.5),
        aspect="auto",
        cmap="viridis",
        norm=LogNorm(vmin=1e-5, vmax=1),
        interpolation="nearest",
    )
    axes.set_facecolor(_GREY)
    bounds = (tally.at_low + tally.at_high) / max(tally.actions.count, 1)
    shown = range(0, rows, max(1, rows // 12))
    names = tally.names.actions or range(rows)
    axes.set_yticks(shown, [f"{_cut(names[row])}   {bounds[row]:.1%}" for row in shown])
    axes.set(xlabel="from the low to the high bound (grey: never taken)")
    axes.set_ylabel("action, share at a bound")
    axes.figure.colorbar(image, ax=axes, label="share of steps", pad=0.02)


def _observations(axes: Axes, tally: Tally) -> None:
    """Draw the range, and mean with deviation, of each number of an observation."""
    seen = tally.observations
    assert seen is not None
    number = np.arange(len(seen.mean))
    axes.vlines(number, seen.least, seen.greatest, color=_GREY, lw=3, label="least to greatest")
    axes.errorbar(
        number, seen.mean, seen.deviation, fmt="o", ms=3, lw=1.2, color=_BLUE, label="mean ± std"
    )
    constant = seen.constant
    if constant:
        axes.plot(constant, seen.mean[constant], "x", color=_ORANGE, ms=7, label="constant")
    axes.set_yscale("symlog", linthresh=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncol=3)
    names = tally.names.observations
    if names and len(names) <= _NAMED:
        axes.set_xticks(number, [_cut(name) for name in names], rotation=60, ha="right")
    axes.set(xlabel="" if names else "number of the observation", ylabel="value")


def _positions(axes: Axes, occupancy: Occupancy) -> None:
    """Draw how often the data are in each part of the maze, with its start and goal."""
    maze = occupancy.maze
    half = np.array([len(maze.layout[0]), len(maze.layout)]) * maze.scale / 2
    image = axes.imshow(
        np.where(occupancy.counts > 0, occupancy.counts, np.nan),
        extent=(-half[0], half[0], -half[1], half[1]),
        cmap="viridis",
        norm=LogNorm(),
        interpolation="nearest",
    )
    axes.set_facecolor(_GREY)
    for r, line in enumerate(maze.layout):
        for c, wall in enumerate(line):
            if wall:
                corner = maze.centre((r, c)) - maze.scale / 2
                wall_patch = Rectangle(tuple(corner), maze.scale, maze.scale, color=_WALL, lw=0)
                wall_patch.set_alpha(0.35)
                axes.add_patch(wall_patch)
    goal = maze.centre(maze.goal)
    axes.plot(*maze.centre(maze.start), "o", ms=9, color="white", mec="black", label="start")
    axes.plot(*goal, "*", ms=13, color="#ffd24d", mec="black", label="goal")
    axes.add_patch(Circle(tuple(goal), SUCCESS_RADIUS, fill=False, ec="black", lw=1))
    axes.legend(fontsize=8, loc="upper right", ncol=2)
    axes.set(xlabel="x (m)", ylabel="y (m)", aspect="equal")
    axes.figure.colorbar(image, ax=axes, label="observations", shrink=0.85)
