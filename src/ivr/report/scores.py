"""Last scores: the table of all groups, and a picture for each dataset."""

from collections.abc import Sequence

import numpy as np

from ivr.errors import counted
from ivr.evaluation.scores import wilson_interval
from ivr.report import figures
from ivr.report.gathering.groups import SeedGroup
from ivr.report.named import WHOLE, Named, array, paper, unit
from ivr.report.output.sections import Picture, Section
from ivr.report.output.tables import Cell, Estimate, Table
from ivr.report.paper import SCORES
from ivr.report.provenance import data_table, run_numbers
from ivr.report.statistics.aggregate import estimate

FEW = 10
"""Seeds from which an interval is about as wide as it says."""


def scores_table(found: Named, best: bool = False) -> Table:
    """One row for each group: mean and IQM with intervals, successes, errors, seeds, the data."""
    groups = found.groups
    runs = run_numbers(found.results)
    _, sources = data_table(found.results)
    papers = [paper(group) for group in groups]
    columns: dict[str, list[Cell]] = {}
    if len(found.datasets) > 1:
        columns["dataset"] = [group.dataset for group in groups]
    columns["algorithm"] = list(found.names)
    if found.laid_out:
        columns[found.laid_out] = [str(group.x) for group in groups]
    columns["mean"] = [estimate([array(group)], "mean") for group in groups]
    if max(len(group.runs) for group in groups) > 3:  # of three it is the mean
        columns["IQM"] = [estimate([array(group)], "iqm") for group in groups]
    columns["paper"] = list(papers)
    columns["successes"] = [_successes(group) for group in groups]
    if best:
        columns["best"] = [_best(group) for group in groups]
    columns["Bellman error"] = [_errors(group) for group in groups]
    columns["seeds"] = [len(group.runs) for group in groups]
    columns["data"] = [", ".join(sorted(str(sources[s]) for s in g.sources)) for g in groups]
    columns["replay"] = [", ".join(sorted(group.replays)) for group in groups]
    columns["runs"] = [_numbers(sorted({runs[r.place] for r in g.runs.values()})) for g in groups]
    for name in ("paper", "successes", "Bellman error"):
        if not any(cell is not None for cell in columns[name]):
            del columns[name]
    rows = list(zip(*columns.values(), strict=True))
    return Table("scores", "Last scores", list(columns), rows, _words(found, list(columns)))


def _words(found: Named, columns: Sequence[str]) -> str:
    normalised = all(group.normalised for group in found.groups)
    unit = "normalised" if normalised else "normalised where there is a reference, else returns"
    words = [
        f"Last scores, not best ones; {unit}.",
        "Brackets: 95 % bootstrap interval over seeds.",
    ]
    if "IQM" in columns:
        words.append("IQM: mean of the middle half of the seeds; of three or fewer it is the mean.")
    fewest = min(len(group.runs) for group in found.groups)
    if 1 < fewest < FEW:
        words.append(
            f"Of {fewest} seeds a 95 % interval is too narrow: docs/report.md says by how much."
        )
    if "successes" in columns:
        words.append(
            "Successes: of all episodes of all seeds, with the Wilson interval, in which episodes "
            "count as independent."
        )
    if "best" in columns:
        words.append(
            "Best: mean over seeds of each one's best evaluation; chosen by the score that it "
            "shows, it is too high, and is compared with nothing."
        )
    if "Bellman error" in columns:
        words.append(
            "Bellman error: mean squared TD error on the dataset's own transitions, in squared "
            "units of the recorded rewards."
        )
    words.append("Replay: does the environment of the scores repeat the data? (docs/datasets.md)")
    if "paper" in columns:
        words.append("Paper: Xu et al. (ICLR 2023), after a million updates.")
    known = [(group.dataset, group.algo) in SCORES for group in found.groups]
    if any(k and paper(g) is None for k, g in zip(known, found.groups, strict=True)):
        words.append(
            "The paper's score stands beside those made on D4RL's own data, in an environment "
            "that repeats them, and beside no other."
        )
    return " ".join(words)


def scores(found: Named, best: bool) -> Section:
    """The table, and a picture for each dataset where nothing else is laid out."""
    pictures = []
    if found.x in WHOLE:
        for dataset in found.datasets:
            here = found.on(dataset)
            rows = {name: estimate([array(group)], "mean") for name, group in here}
            dots = {name: list(group.scores.values()) for name, group in here}
            title = f"{dataset}: last score"
            words = (
                f"Mean over {figures.seeds_of([g for _, g in here])}. Bars: its 95 % bootstrap "
                "interval (none of a single seed). Short lines: the seeds."
            )
            figure = figures.intervals(title, rows, found.look, unit(here), words, dots)
            pictures.append(Picture(f"scores_{dataset}", title, figure))
    return Section(
        "Last scores",
        f"{counted(len(found.groups), 'setting')}, "
        f"{counted(sum(len(g.runs) for g in found.groups), 'seed')} in all.",
        [scores_table(found, best)],
        pictures,
    )


def _successes(group: SeedGroup) -> str | None:
    counts = [run.successes for run in group.runs.values()]
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return None
    successes, episodes = (sum(column) for column in zip(*known, strict=True))
    low, high = wilson_interval(successes, episodes)
    return f"{successes}/{episodes}: {100 * low:.1f} to {100 * high:.1f} %"


def _best(group: SeedGroup) -> Estimate | None:
    found = [run.best for run in group.runs.values() if run.best is not None]
    return Estimate(float(np.mean(found))) if len(found) == len(group.runs) else None


def _errors(group: SeedGroup) -> Estimate | None:
    errors = list(group.errors.values())
    return estimate([np.array(errors)], "mean", ".3g") if errors else None


def _numbers(numbers: Sequence[int]) -> str:
    """Write 1, 2, 3, 5 as 1-3, 5."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)
