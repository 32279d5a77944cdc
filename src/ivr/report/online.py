"""What going online cost, and what it brought: training episodes against the offline policy's."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ivr.online.episodes import WINDOW, window_means
from ivr.report import figures
from ivr.report.gathering.groups import Floats, Run, SeedGroup
from ivr.report.gathering.training_episodes import Episodes, read_episodes, spread_of
from ivr.report.named import Named
from ivr.report.output.sections import Picture, Section
from ivr.report.output.style import GRID, dress
from ivr.report.output.tables import Cell, Estimate, Table
from ivr.report.statistics.intervals import bootstrap, mean_of_strata
from ivr.training.members import Member

FROZEN = "frozen"
_POINTS = 100
_COLUMNS = 3


@dataclass(frozen=True)
class OnlineMember:
    """One member of a run online, and the offline policy's return that it is held against."""

    run: Run
    episodes: Episodes
    baseline: float
    """J_0."""
    spread: float
    warmup: int

    @property
    def later(self) -> Floats:
        """Returns of the episodes that ended after the warm-up."""
        return self.episodes.returns[self.episodes.steps > self.warmup]

    @property
    def regret(self) -> float:
        """Mean of what these episodes lacked to J_0, as a share of the range of returns."""
        return float(np.maximum(0, self.baseline - self.later).mean() / self.spread)

    @property
    def worst_dip(self) -> float | None:
        """How far the worst ten episodes in a row were below J_0, likewise; None of fewer."""
        means = window_means(self.later)
        return max(0.0, self.baseline - float(means.min())) / self.spread if len(means) else None

    @property
    def at_last(self) -> float:
        """Mean return of the last ten training episodes."""
        return float(self.later[-WINDOW:].mean())

    def curve(self, steps: Floats) -> Floats:
        """Mean return of the latest ten episodes at some numbers of steps; NaN before the first."""
        ended = np.searchsorted(self.episodes.steps, steps, side="right")
        sums = np.concatenate([[0.0], self.episodes.returns.cumsum()])
        first = np.maximum(0, ended - WINDOW)
        with np.errstate(invalid="ignore"):
            found: Floats = (sums[ended] - sums[first]) / (ended - first)
        return found


def online(found: Named) -> Section | None:
    """Compare the runs that went online, for each dataset; None without any."""
    tables, pictures = [], []
    for dataset in found.datasets:
        rows = {name: online_members(group, found.on(dataset)) for name, group in found.on(dataset)}
        rows = {name: members for name, members in rows.items() if members}
        if not rows:
            continue
        tables += [_summary(dataset, rows), _each(dataset, rows)]
        pictures += _pictures(dataset, rows, found)
    if not tables:
        return None
    return Section(
        "Online",
        "Training episodes, none of an evaluation. J_0: what the offline policy gets with its "
        "own noise: of all episodes of the frozen row that started from the same policy with "
        "the same seed, where there is one, else of the run's warm-up (in which rlpd plays an "
        "untrained policy of its own). All but the curves begins after the warm-up. Regret: "
        "mean of max(0, J_0 - return); worst dip: how far the worst ten episodes in a row lie "
        "below J_0; both as shares of the range of returns.",
        tables,
        pictures,
    )


def online_members(group: SeedGroup, others: list[tuple[str, SeedGroup]]) -> list[OnlineMember]:
    """The members of a group that went online, and left their episodes."""
    members = []
    for run in group.runs.values():
        facts, measured = run.result.get("online"), run.member.get("online")
        episodes, spread = _episodes(run, group), spread_of(run)
        if not facts or not measured or episodes is None or spread is None:
            continue
        baseline, warmup = measured.get("baseline_return"), facts["warmup_steps"]
        for _, other in others:
            frozen = other.runs.get(run.seed)
            if other.algo == FROZEN and other.alpha == group.alpha and frozen is not None:
                same = _same_start(frozen.result.get("online") or {}, facts)
                known = _episodes(frozen, other)
                if known is not None and (same or facts["checkpoint"] is None):
                    baseline = float(known.returns.mean())
        member = None if baseline is None else OnlineMember(run, episodes, baseline, spread, warmup)
        if member is not None and len(member.later):
            members.append(member)
    return members


def _same_start(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs of one seed started from the same policy."""
    if one.get("start") and other.get("start"):
        return bool(one["start"] == other["start"])
    mine, theirs = (os.path.abspath(str(x.get("checkpoint"))) for x in (one, other))
    return mine == theirs


def _episodes(run: Run, group: SeedGroup) -> Episodes | None:
    label = Member(run.seed, group.alpha).label
    return read_episodes(run.place.with_name("episodes.csv")).get(label)


def _mean(values: list[float | None], form: str) -> Estimate | None:
    """Mean over members and its interval; None where a member has no value."""
    if None in values:
        return None
    array = np.array(values, np.float64)
    interval = bootstrap([array], mean_of_strata)
    bounds = None if interval is None else (float(interval[0]), float(interval[1]))
    return Estimate(float(array.mean()), bounds, form)


def _summary(dataset: str, rows: dict[str, list[OnlineMember]]) -> Table:
    header = ["online", "seeds", "J_0", "regret", "worst dip", "last ten episodes", "last score"]
    lines: list[list[Cell]] = []
    for name, members in rows.items():
        lines.append([
            name, len(members), _mean([m.baseline for m in members], ".3g"),
            _mean([m.regret for m in members], ".3f"),
            _mean([m.worst_dip for m in members], ".3f"),
            _mean([m.at_last for m in members], ".3g"),
            _mean([m.run.score for m in members], ".1f"),
        ])  # fmt: skip
    note = (
        "Mean over seeds, with its 95 % bootstrap interval. Last ten episodes: mean return at the "
        "end of training, with the policy's noise; last score: of the last evaluation, without."
    )
    return Table(f"online_{dataset}", f"{dataset}: what going online cost", header, lines, note)


def _each(dataset: str, rows: dict[str, list[OnlineMember]]) -> Table:
    header = ["online", "seed", "episodes", "J_0", "regret", "worst dip", "last ten", "last score"]
    lines: list[list[Cell]] = []
    for name, members in rows.items():
        for m in members:
            dip = None if m.worst_dip is None else Estimate(m.worst_dip, None, ".3f")
            lines.append([
                name, m.run.seed, len(m.later), Estimate(m.baseline, None, ".3g"),
                Estimate(m.regret, None, ".3f"), dip, Estimate(m.at_last, None, ".3g"),
                Estimate(m.run.score, None, ".1f"),
            ])  # fmt: skip
    return Table(f"online_{dataset}_seeds", f"{dataset}: each seed", header, lines)


def _pictures(dataset: str, rows: dict[str, list[OnlineMember]], found: Named) -> list[Picture]:
    title = f"{dataset}: return of training episodes"
    pictures = [Picture(f"online_{dataset}", title, _curves(title, rows, found))]
    measures: dict[str, Callable[[OnlineMember], float | None]] = {
        "regret": lambda member: member.regret,
        "worst dip": lambda member: member.worst_dip,
    }
    for name, of in measures.items():
        values = {row: [of(member) for member in members] for row, members in rows.items()}
        estimates = {row: _mean(many, ".3f") for row, many in values.items()}
        drawn = {row: one for row, one in estimates.items() if one is not None}
        if drawn:
            title = f"{dataset}: {name} of going online"
            figure = figures.intervals(
                title, drawn, found.look, f"{name} (share of the range of returns)", figures.BARS,
                {row: [x for x in values[row] if x is not None] for row in drawn},
            )  # fmt: skip
            pictures.append(Picture(f"online_{dataset}_{name}", title, figure))
    return pictures


def _curves(title: str, rows: dict[str, list[OnlineMember]], found: Named) -> Figure:
    """One panel for each row, with the offline policy's return in all of them."""
    lines = -(-len(rows) // _COLUMNS)
    figure = Figure(figsize=(7.6, 0.5 + 1.7 * lines), dpi=150, layout="constrained")
    panels = figure.subplots(lines, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, (name, members) in zip(panels.flat, rows.items(), strict=False):
        dress(axes, name)
        last = max(float(m.run.result["online"]["num_steps"]) for m in members)
        steps = np.linspace(0, last, _POINTS + 1)[1:]
        curves = np.array([m.curve(steps) for m in members])
        known = ~np.isnan(curves).any(0)
        kind = found.look[name]
        axes.axvspan(0, members[0].warmup, color=GRID, alpha=0.5, lw=0)
        axes.axhline(float(np.mean([m.baseline for m in members])), color="black", lw=1, ls="--")
        for curve in curves:
            axes.plot(steps, curve, color=kind.color, lw=0.7, alpha=0.45)
        axes.plot(steps[known], curves[:, known].mean(0), color=kind.color, lw=1.8)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="x", nbins=4)
    for axes in panels.flat[len(rows) :]:
        axes.set_visible(False)
    for axes in panels.flat[max(0, len(rows) - _COLUMNS) : len(rows)]:
        axes.tick_params(labelbottom=True)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.supylabel("mean return of the latest ten episodes", fontsize=9)
    figure.supxlabel(
        "environment steps. Thick: mean over seeds, thin: each; dashed: J_0, the offline policy; "
        "grey: warm-up, in which it plays alone.", fontsize=8, x=0.01, ha="left",
    )  # fmt: skip
    return figure
