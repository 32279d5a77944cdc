"""Choosing one of many policies with few rollouts: a section for each dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ivr.errors import counted
from ivr.files import found_below
from ivr.report.gathering.groups import Run
from ivr.report.gathering.ranks import places, read_ranks
from ivr.report.named import Named, unit
from ivr.report.output.sections import Picture, Section
from ivr.report.output.style import legend, panel
from ivr.report.output.tables import Cell, Estimate, Table
from ivr.report.statistics.budget import SIMULATIONS, Recorded, exhausted, expected_best, simulate
from ivr.report.statistics.intervals import Floats

_LOOK = {
    "each once": ("#0072B2", "o"),
    "halving": ("#D55E00", "s"),
    "UCB": ("#009E73", "v"),
    "each once by rank": ("#56B4E9", "^"),
    "halving by rank": ("#E69F00", "D"),
    "UCB by rank": ("#CC79A7", "<"),
}


def deployment(found: Named, budget: int, ranking: Path | None) -> list[Section]:
    """Write what `budget` rollouts buy on each dataset that has two policies at least.

    Args:
        found: the results.
        budget: rollouts, all policies together.
        ranking: a rank.json; None to look for one below the runs.

    Raises:
        UserError: the given rank.json cannot be read.
    """
    files = [ranking] if ranking else found_below(found.folder, "rank.json")
    rankings = [read_ranks(path) for path in files]
    sections = []
    for dataset in found.datasets:
        runs = [run for _, group in found.on(dataset) for run in group.runs.values()]
        if len(runs) > 1:
            sections.append(_section(found, dataset, runs, budget, rankings))
    return sections


def _section(
    found: Named,
    dataset: str,
    runs: Sequence[Run],
    budget: int,
    rankings: Sequence[list[dict[str, Any]]],
) -> Section:
    tables, pictures = _tried(found, dataset, budget)
    recorded = [run.episodes for run in runs]
    known = [scores for scores in recorded if scores is not None and len(scores) > 1]
    text = (
        f"{len(runs)} policies were trained on {dataset}, and one is to be deployed. What is the "
        f"chosen one worth after up to {counted(budget, 'rollout')}? (Kurenkov & Kolesnikov, ICML "
        "2022)"
    )
    if len(known) < len(runs):
        text += (
            f" Rollouts are not simulated: {len(runs) - len(known)} of the results do not say "
            "what each episode of the last evaluation scored (eval_episodes of 2 at least, and "
            "a result.json of this version)."
        )
        return Section(f"Evaluation budget: {dataset}", text, tables, pictures)
    ranked = next((p for one in rankings if (p := places(one, runs)) is not None), None)
    if rankings and ranked is None:
        text += " The ranking of rank.json is not used: some of these policies are not in it."
    # The first has the highest estimate.
    simulated = Recorded(known, None if ranked is None else -np.array(ranked, np.float64))
    values, best = simulate(simulated, budget), exhausted(simulated)
    tables.insert(0, _rollouts_table(dataset, values, known, best))
    title = f"{dataset}: worth of the chosen policy"
    ylabel = unit(found.on(dataset))
    figure = _curves(title, values, best, ylabel, len(runs))
    pictures.insert(0, Picture(f"budget_{dataset}", title, figure))
    return Section(f"Evaluation budget: {dataset}", text, tables, pictures)


def _rollouts_table(
    dataset: str, values: Mapping[str, Floats], known: Sequence[Floats], best: float
) -> Table:
    budget = len(next(iter(values.values()))) - 1
    shown = sorted({0, 1, 2, 3, *(2**k for k in range(2, 20)), budget})
    rows: list[list[Cell]] = [
        [rollouts, *(Estimate(float(curve[rollouts])) for curve in values.values())]
        for rollouts in shown
        if rollouts <= budget
    ]
    least = min(map(len, known))
    note = (
        f"Expected score of the policy that is chosen, over {SIMULATIONS} simulations. Rollouts "
        "are recorded episodes, drawn from a random half of each policy's "
        f"({least} at least); the chosen one is scored by its other half, which the choice has "
        "not seen. Each once: policies are rolled out by turns, in random order, and the highest "
        "mean is taken. Halving: sequential halving (Karnin et al., ICML 2013). UCB: UCB1 "
        "(Auer et al., 2002), which rolls every policy out once before it chooses. With 0 rollouts "
        f"a policy is taken at random; with all of that half, {best:.1f} is reached."
    )
    if any(name.endswith("by rank") for name in values):
        note += " By rank: rank.py's order decides who comes first, and between equal means."
    return Table(f"budget_{dataset}", "Evaluation budget", ["rollouts", *values], rows, note)


def _curves(title: str, values: Mapping[str, Floats], best: float, ylabel: str, count: int) -> Any:
    words = (
        f"{count} policies; mean over {SIMULATIONS} simulations with recorded episodes. Dashed: "
        "chosen with all of the episodes that may be drawn. Dotted: a policy at random."
    )
    figure, axes = panel(title, words, height=3.3)
    for name, curve in values.items():
        colour, marker = _LOOK[name]
        axes.plot(range(len(curve)), curve, color=colour, marker=marker, ms=4, lw=1.5, label=name)
    axes.axhline(best, color="#444", ls="--", lw=1)
    axes.axhline(values["each once"][0], color="#444", ls=":", lw=1)
    axes.set(xlabel="rollouts, all policies together", ylabel=f"expected {ylabel}")
    legend(axes, 4)
    return figure


def _tried(found: Named, dataset: str, budget: int) -> tuple[list[Table], list[Picture]]:
    """Expected best score of k policies of an algorithm, each fully evaluated."""
    scores: dict[str, list[float]] = {}
    for _, group in found.on(dataset):
        scores.setdefault(group.algo, []).extend(group.scores.values())
    scores = {algo: values for algo, values in scores.items() if len(values) > 1}
    most = min(budget, max(map(len, scores.values()), default=0))
    if not scores:
        return [], []
    rows: list[list[Cell]] = [
        [
            k,
            *(
                Estimate(expected_best(np.array(values), k)) if k <= len(values) else None
                for values in scores.values()
            ),
        ]
        for k in range(1, most + 1)
    ]
    note = (
        "Expected last score of the best of k policies of an algorithm (its seeds and settings "
        "here), drawn at random, where each of the k is evaluated in full: the expected online "
        "performance of Kurenkov & Kolesnikov (2022). The highest of noisy means is a little too "
        "high."
    )
    table = Table(f"tried_{dataset}", "Policies tried", ["policies tried", *scores], rows, note)
    return [table], []
