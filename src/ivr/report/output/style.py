"""One look for all figures: an algorithm has one colour, and says what its bars are."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_COLOURS = (
    # Okabe and Ito (2008), without their yellow, which is too light for a line on white.
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000",
    # Paul Tol's muted scheme, dark ones first; markers tell apart what is near to one above.
    "#882255", "#332288", "#999933", "#44AA99", "#661100", "#AA4499", "#888888", "#117733",
)  # fmt: skip
_MARKERS = "os^Dv<>Ph"
_LINES = ("-", "--", "-.", ":")
GRID, TEXT = "#d5d8de", "#23272f"


@dataclass(frozen=True)
class Look:
    """How a variant is drawn in every panel."""

    color: str
    marker: str
    line: str


def looks(variants: Sequence[tuple[str, str]], algos: Sequence[str]) -> dict[str, Look]:
    """Give each variant the colour of its algorithm, and a marker and a line of its own.

    Args:
        variants: algorithm and name of each.
        algos: of the whole report, in the order of their colours.
    """
    found: dict[str, Look] = {}
    counts: dict[str, int] = {}
    for algo, name in dict.fromkeys(variants):
        place, count = algos.index(algo), counts.get(algo, 0)
        counts[algo] = count + 1
        found[name] = Look(
            _COLOURS[place % len(_COLOURS)],
            _MARKERS[(place + count) % len(_MARKERS)],
            _LINES[count % len(_LINES)],
        )
    return found


def panel(title: str, words: str, height: float = 3.0, width: float = 4.8) -> tuple[Figure, Axes]:
    """Make a figure of one panel.

    Args:
        title: what is shown, on which data.
        words: the number of runs, and what bars, bands and dots are; stands below.
        height: inches, as `width`.
        width: a page of 400 pixels still shows the letters of 4.8 inches.
    """
    lines = textwrap.wrap(words, int(15.5 * width))
    figure = Figure(figsize=(width, height + 0.15 * len(lines)), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    dress(axes, title)
    figure.supxlabel("\n".join(lines), fontsize=8, x=0.01, ha="left", color="#4a5060")
    return figure, axes


def dress(axes: Axes, title: str) -> None:
    """Give a panel its title, grid and letters."""
    axes.set_title("\n".join(textwrap.wrap(title, 62)), fontsize=10, loc="left", color=TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8.5)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)


def legend(axes: Axes, entries: int) -> None:
    """Put the legend below the panel, where it covers nothing."""
    if entries:
        axes.legend(
            frameon=False,
            fontsize=8,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17),
            ncol=min(3, entries),
            handlelength=2.4,
        )
