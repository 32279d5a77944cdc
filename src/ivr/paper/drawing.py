"""Draws what decides a claim, and the means of the results table."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ivr.paper.claims import Claim
from ivr.paper.deck import called
from ivr.paper.findings import VERDICTS, Finding
from ivr.paper.measured import Cell
from ivr.paper.tables import family_means
from ivr.paper.verdicts import LEVEL
from ivr.report import figures
from ivr.report.gathering.groups import SeedGroup
from ivr.report.gathering.results import Results
from ivr.report.named import Named, named
from ivr.report.online import online
from ivr.report.output.style import TEXT, looks, panel
from ivr.report.sensitivity import over_option

_COLOUR = {"the paper's data": "#0072B2", "other data": "#D55E00"}


def differences(ours: Finding, other: Finding) -> Figure | None:
    """Draw each difference of a claim with its interval; None where none is known."""
    rows = [
        (one.difference.label, data, one)
        for finding, data in zip((ours, other), _COLOUR, strict=True)
        for one in finding.seen
        if one.estimate is not None
    ]
    if not rows:
        return None
    claim = ours.claim
    several = {one.strata for _, _, one in rows if len(one.strata) == 1}
    words = (
        f"Verdict: {VERDICTS[ours.status]}. On other data: {other.status}. {1 - LEVEL:.0%} "
        "intervals over seeds (Student's t); blue: the paper's data, orange: others; crosses: the "
        "paper's numbers. It holds where all are right of the line."
    )
    figure, axes = panel("", words, height=1.2 + 0.27 * len(rows), width=5.6)
    title = textwrap.fill(claim.words, 76)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", color=TEXT)
    for place, (_, data, one) in enumerate(rows):
        assert one.estimate is not None
        low, high = one.estimate.interval()
        axes.plot([low, high], [place, place], color=_COLOUR[data], lw=5, alpha=0.35,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot([one.estimate.value], [place], "o", color=_COLOUR[data], ms=6, mec="white")
        number = one.difference.printed if data == "the paper's data" else None
        if number is not None:
            axes.plot([number], [place], "x", color="black", ms=6)
    axes.axvline(claim.low, color="#444", lw=1)
    labels = [f"{one.strata[0]}: {label}" if len(several) > 1 else label for label, _, one in rows]
    axes.set_yticks(range(len(rows)), [textwrap.fill(label, 32) for label in labels])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=unit(claim))
    axes.grid(axis="y", visible=False)
    return figure


def unit(claim: Claim) -> str:
    """What the differences of a claim are measured in."""
    kinds = {term.quantity for one in claim.differences for term in one.terms}
    if kinds == {"score"}:
        return "points of the normalised score"
    return {"error": "Bellman error", "regret": "share of the range of returns",
            "dip": "share of the range of returns"}[kinds.pop()]  # fmt: skip


def laid_out(folder: Path, part: str, cells: Sequence[Cell]) -> dict[str, Figure]:
    """Draw noisy and small data over their shares, and the training episodes of ways online."""
    if part == "online":
        section = online(named(folder, Results([cell.group for cell in cells], [])))
        return {} if section is None else {p.name: p.figure for p in section.pictures}
    groups = [
        SeedGroup((c.place.stratum, *c.group.settings[1:]), c.place.at, c.group.facts, c.group.runs)
        for c in cells
        if c.place.at is not None
    ]
    names = [called(group.algo) for group in groups]
    look = looks([(name, name) for name in names], list(dict.fromkeys(names)))
    x = "share of experts" if part == "noisy" else "share of the data"
    found = Named(folder, Results(groups, []), x, names, look)
    return {p.name: p.figure for p in over_option(found, x, "").pictures}


def means(cells: Sequence[Cell], of_paper: bool) -> dict[str, Figure]:
    """Draw the mean of each method over a family's datasets, by family."""
    drawn = {}
    found = family_means(cells, of_paper)
    for name in dict.fromkeys(one.family for one in found):
        here = [one for one in found if one.family == name]
        rows = {called(one.algo): one.estimate for one in here}
        where = ", ".join(here[0].datasets)
        title = f"{name}, the paper's data" if of_paper else f"In place of {name}: {where}"
        words = "Mean over the datasets, with its 95 % interval (Student's t)."
        words += " Crosses: the paper's means." if of_paper else ""
        look = looks([(row, row) for row in rows], list(rows))
        figure = figures.intervals(title, rows, look, "mean normalised score", words)
        for place, one in enumerate(here):
            if one.printed is not None:
                figure.axes[0].plot([one.printed], [place], "x", color="black", ms=6)
        drawn[name] = figure
    return drawn
