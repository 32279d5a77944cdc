"""Draws scores: over algorithms, over an option, over training, against each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ivr.errors import counted
from ivr.report.gathering.groups import SeedGroup
from ivr.report.output.style import Look, dress, legend, panel
from ivr.report.output.tables import Estimate, Table
from ivr.report.statistics.aggregate import Scores, estimate, profile
from ivr.report.statistics.averages import Curve
from ivr.report.statistics.intervals import Floats

BARS = "Bars: 95 % bootstrap interval of the mean over seeds (none of a single seed)."


def intervals(
    title: str,
    rows: Mapping[str, Estimate],
    look: Mapping[str, Look],
    xlabel: str,
    words: str,
    dots: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Draw a line for each variant: its estimate and interval, and the runs where given."""
    figure, axes = panel(title, words, height=0.9 + 0.3 * len(rows))
    for place, (name, found) in enumerate(rows.items()):
        kind = look[name]
        if dots is not None:
            runs = list(dots[name])
            axes.plot(runs, [place] * len(runs), "|", ms=13, mew=1.3, color=kind.color, alpha=0.55)
        if found.interval is not None:
            axes.plot(found.interval, [place, place], color=kind.color, lw=5, alpha=0.35,
                      solid_capstyle="butt")  # fmt: skip
        axes.plot([found.value], [place], kind.marker, color=kind.color, ms=6.5, mec="white")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel=xlabel, ylim=(len(rows) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)
    return figure


def profiles(scores: Scores, look: Mapping[str, Look], title: str) -> Figure:
    """Draw the share of runs above each score."""
    words = (
        f"{scores.seeds()} a dataset, {counted(len(scores.datasets), 'dataset')}. "
        "Bands: pointwise 95 % stratified bootstrap interval. Higher is better."
    )
    figure, axes = panel(title, words, height=3.3)
    everything = np.concatenate([x for strata in scores.runs.values() for x in strata])
    low, high = min(0.0, float(everything.min())), max(100.0, float(everything.max()))
    thresholds = np.linspace(low, high, 201)
    for name, strata in scores.runs.items():
        kind = look[name]
        share, below, above = profile(strata, thresholds)
        axes.plot(thresholds, share, color=kind.color, ls=kind.line, lw=1.6, label=name)
        axes.fill_between(thresholds, below, above, color=kind.color, alpha=0.13, lw=0)
    axes.set(xlabel="normalised score τ", ylabel="share of runs with score > τ", ylim=(-0.02, 1.02))
    legend(axes, len(scores.runs))
    return figure


def matrix(table: Table, names: Sequence[str], title: str, words: str) -> Figure:
    """Draw the probability that the algorithm of the row beats that of the column.

    Args:
        table: rows of X, Y and P(X > Y), for each pair one.
        names: of the algorithms.
        title: of the figure.
        words: below it.
    """
    size = max(3.0, 0.55 * len(names) + 1.2)
    figure, axes = panel(title, words, height=0.8 * size, width=max(4.8, size + 1.0))
    values = np.full((len(names), len(names)), np.nan)
    for x, y, cell in table.rows:
        assert isinstance(cell, Estimate)
        i, j = names.index(str(x)), names.index(str(y))
        sure = cell.interval is not None and not cell.interval[0] <= 0.5 <= cell.interval[1]
        values[i, j], values[j, i] = cell.value, 1 - cell.value
        for row, column in ((i, j), (j, i)):
            value = values[row, column]
            ink = "white" if abs(value - 0.5) > 0.3 else "black"
            text = f"{value:.2f}{'*' if sure else ''}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ink)
    axes.imshow(values, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="… than a run of", ylabel="a run of … scores higher")
    axes.grid(visible=False)
    return figure


def learning(
    title: str, curves: Mapping[str, Curve], look: Mapping[str, Look], ylabel: str
) -> Figure:
    """Draw means over seeds at each evaluation, with bands."""
    counts = sorted({curve.seeds for curve in curves.values()})
    many = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else counted(counts[0], "seed")
    words = f"Mean of {many}. Bands: pointwise 95 % bootstrap interval over seeds."
    figure, axes = panel(title, words, height=3.3)
    for name, curve in curves.items():
        kind = look[name]
        axes.plot(curve.updates, curve.mean, color=kind.color, ls=kind.line, marker=kind.marker,
                  ms=3.5, lw=1.5, label=name)  # fmt: skip
        if curve.interval is not None:
            axes.fill_between(curve.updates, *curve.interval, color=kind.color, alpha=0.14, lw=0)
    axes.set(xlabel="updates", ylabel=ylabel)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    legend(axes, len(curves))
    return figure


Quantity = Callable[[SeedGroup], Mapping[int, float]]


def over_x(
    axes: Axes,
    groups: Sequence[tuple[str, SeedGroup]],
    x: str,
    quantity: Quantity,
    look: Mapping[str, Look],
    ylabel: str,
) -> None:
    """Draw a quantity over an option, a line for each variant; runs as faint marks."""
    places = _places([group for _, group in groups])
    lines: dict[str, list[SeedGroup]] = {}
    for name, group in groups:
        if quantity(group):
            lines.setdefault(name, []).append(group)
    for number, (name, line) in enumerate(lines.items()):
        kind = look[name]
        # Side by side, so that no bar hides another.
        beside = 0.0 if x == "algo" else number - (len(lines) - 1) / 2
        at = [places.of(group, beside) for group in line]
        found = [estimate([np.array(list(quantity(group).values()))], "mean") for group in line]
        for where, group, one in zip(at, line, found, strict=True):
            runs = list(quantity(group).values())
            axes.plot([where] * len(runs), runs, "_", color=kind.color, alpha=0.5, ms=8)
            if one.interval is not None:
                axes.plot([where, where], one.interval, color=kind.color, lw=4, alpha=0.3,
                          solid_capstyle="butt")  # fmt: skip
        joined = "none" if places.categories else kind.line
        axes.plot(at, [one.value for one in found], color=kind.color, marker=kind.marker,
                  ls=joined, lw=1.4, ms=6, mec="white", label=name)  # fmt: skip
    if places.categories:
        axes.set_xlim(-0.5, len(places.categories) - 0.5)
        turned = max(map(len, places.categories)) * len(places.categories) > 50
        axes.set_xticks(range(len(places.categories)), places.categories, rotation=30 * turned,
                        ha="right" if turned else "center")  # fmt: skip
    else:
        axes.set_xscale("log" if places.logarithmic else "linear")
        if len(places.numbers) < 9:
            axes.set_xticks(places.numbers, [f"{number:g}" for number in places.numbers])
            axes.xaxis.set_minor_locator(NullLocator())
    positive = ylabel.startswith("Bellman") and all(
        value > 0 for _, group in groups for value in quantity(group).values()
    )
    axes.set(xlabel=x, ylabel=ylabel, yscale="log" if positive else "linear")
    if not all(x == "algo" and [str(g.x) for g in line] == [name] for name, line in lines.items()):
        legend(axes, len(lines))


class _Places:
    """Where the values of an option stand on an axis."""

    def __init__(self, values: Sequence[Any]) -> None:
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        all_numbers = len(numbers) == len(values)
        # Numbers in their order, before words.
        order = sorted(values, key=lambda v: (v not in numbers, v if v in numbers else 0, str(v)))
        self.categories = [] if all_numbers else list(dict.fromkeys(map(str, order)))
        self.numbers = sorted({float(number) for number in numbers}) if all_numbers else []
        self.logarithmic = all_numbers and min(numbers) > 0 and max(numbers) >= 10 * min(numbers)

    def of(self, group: SeedGroup, beside: float) -> float:
        """Where a group stands, so many widths of a bar beside its value."""
        if self.categories:
            return self.categories.index(str(group.x)) + 0.12 * beside
        first, last = self.numbers[0], self.numbers[-1]
        if self.logarithmic:
            return float(group.x) * float((last / first) ** (0.015 * beside))
        return float(group.x) + 0.015 * beside * (last - first)


def _places(groups: Sequence[SeedGroup]) -> _Places:
    return _Places([group.x for group in groups])


def scatter(
    title: str, points: Mapping[str, tuple[Floats, Floats]], look: Mapping[str, Look], words: str
) -> Figure:
    """Draw V(s₀) over the return that came, a mark for each run, and the line where they agree.

    Args:
        title: of the figure.
        points: V(s₀) and return of each variant's runs, (seeds,) each.
        look: of each variant.
        words: below it.
    """
    figure, axes = panel(title, words, height=3.3)
    values = np.concatenate([np.concatenate(pair) for pair in points.values()])
    ends = [float(values.min()), float(values.max())]
    axes.plot(ends, ends, color="#888", lw=1, ls="--", label="V(s₀) = return")
    for name, (promised, came) in points.items():
        kind = look[name]
        axes.plot(came, promised, kind.marker, color=kind.color, ms=6, mec="white", label=name)
    axes.set(xlabel="discounted return that came", ylabel="V(s₀) that was promised")
    legend(axes, len(points) + 1)
    return figure


def grid_over_x(
    groups: Sequence[tuple[str, SeedGroup]], x: str, look: Mapping[str, Look]
) -> Figure:
    """Draw one picture of everything over an option: a row for each dataset."""
    datasets = list(dict.fromkeys(group.dataset for _, group in groups))
    kinds = quantities([group for _, group in groups])
    figure = Figure(figsize=(5.6 * len(kinds), 4.2 * len(datasets)), dpi=120, layout="constrained")
    panels = figure.subplots(len(datasets), len(kinds), squeeze=False)
    for row, dataset in zip(panels, datasets, strict=True):
        here = [(name, group) for name, group in groups if group.dataset == dataset]
        for axes, (ylabel, quantity) in zip(row, kinds.items(), strict=True):
            dress(axes, f"{dataset}: {ylabel} ({seeds_of([g for _, g in here])})")
            over_x(axes, here, x, quantity, look, ylabel)
    figure.supxlabel(f"{BARS} Short lines: single seeds.", fontsize=8, x=0.01, ha="left")
    return figure


def quantities(groups: Sequence[SeedGroup]) -> dict[str, Quantity]:
    """What is drawn over an option: the last score, and Bellman errors where there are any."""
    normalised = all(group.normalised for group in groups)
    found: dict[str, Quantity] = {
        f"last score ({'normalised' if normalised else 'return'})": lambda group: group.scores
    }
    if any(group.errors for group in groups):
        found["Bellman error"] = lambda group: group.errors
    return found


def seeds_of(groups: Sequence[SeedGroup]) -> str:
    """How many seeds the groups have, in words."""
    counts = sorted({len(group.runs) for group in groups})
    if len(counts) > 1:
        return f"{counts[0]} to {counts[-1]} seeds each"
    return "1 seed each" if counts[0] == 1 else f"{counts[0]} seeds each"
