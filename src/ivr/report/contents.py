"""Decides what a report of some results holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivr.evaluation.scores import wilson_interval
from ivr.report import figures
from ivr.report.aggregate import Scores, estimate, improvement, scores_of
from ivr.report.curves import Curves, average
from ivr.report.intervals import Floats
from ivr.report.names import variants
from ivr.report.paper import SCORES, comparable
from ivr.report.provenance import data_table, provenance, run_numbers
from ivr.report.results import Results, SeedGroup
from ivr.report.sections import Picture, Section
from ivr.report.style import Look, looks, panel
from ivr.report.tables import Cell, Estimate, Table

WHOLE = (None, "algo", "dataset")
"""Values of x at which algorithms are compared over datasets."""


@dataclass(frozen=True)
class Named:
    """Results with the names and looks of their variants."""

    folder: Path
    results: Results
    x: str | None
    names: list[str]
    """Of each group."""
    look: dict[str, Look]

    @property
    def groups(self) -> list[SeedGroup]:
        """The groups, in the order of their names."""
        return self.results.groups

    @property
    def pairs(self) -> list[tuple[str, SeedGroup]]:
        """Each group with its name."""
        return list(zip(self.names, self.groups, strict=True))

    @property
    def datasets(self) -> list[str]:
        """Names of the data."""
        return list(dict.fromkeys(group.dataset for group in self.groups))

    def on(self, dataset: str) -> list[tuple[str, SeedGroup]]:
        """The groups of one dataset, with their names."""
        return [(name, group) for name, group in self.pairs if group.dataset == dataset]


def named(folder: Path, results: Results, x: str | None = None) -> Named:
    """Name all groups, and give each variant one look."""
    names = variants(results.groups)
    algos = [group.algo for group in results.groups]
    return Named(folder, results, x, names, looks(list(zip(algos, names, strict=True))))


def sections(found: Named, *, best: bool = False) -> list[Section]:
    """Write the sections of a report.

    Args:
        found: the results.
        best: whether best scores have a column of their own.
    """
    parts: list[Section | None] = [_scores(found, best)]
    if found.x in WHOLE:
        scores = scores_of(found.groups, found.names)
        if len(found.datasets) > 1:
            parts.append(Section("Datasets and algorithms", "", [datasets_table(found, scores)]))
        if len(scores.runs) > 1:
            parts.append(_comparison(found, scores))
    if found.x is not None:
        parts.append(_over_x(found, found.x, f"Over {found.x}"))
    elif (alphas := _alphas(found)) is not None:
        parts.append(_over_x(alphas, "alpha", "Sensitivity to α"))
    parts += [_learning(found), _cost(found), *provenance(found.folder, found.results)]
    return [part for part in parts if part is not None]


def scores_table(found: Named, best: bool = False) -> Table:
    """One row for each group: mean and IQM with intervals, successes, errors, seeds, the data."""
    groups = found.groups
    runs = run_numbers(found.results)
    _, sources = data_table(found.results)
    papers = [_paper(group) for group in groups]
    columns: dict[str, list[Cell]] = {}
    if len(found.datasets) > 1:
        columns["dataset"] = [group.dataset for group in groups]
    columns["algorithm"] = list(found.names)
    if found.x:
        columns[found.x] = [str(group.x) for group in groups]
    columns["mean"] = [estimate([_array(group)], "mean") for group in groups]
    columns["IQM"] = [estimate([_array(group)], "iqm") for group in groups]
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
        "Brackets: 95 % bootstrap interval over seeds. IQM: mean of the middle half of the seeds; "
        "of three seeds or fewer it is the mean.",
    ]
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
    if any(k and _paper(g) is None for k, g in zip(known, found.groups, strict=True)):
        words.append(
            "The paper's score stands beside those made on D4RL's own data, in an environment "
            "that repeats them, and beside no other."
        )
    return " ".join(words)


def _scores(found: Named, best: bool) -> Section:
    pictures = []
    if found.x in WHOLE:
        for dataset in found.datasets:
            here = found.on(dataset)
            rows = {name: estimate([_array(group)], "mean") for name, group in here}
            dots = {name: list(group.scores.values()) for name, group in here}
            title = f"{dataset}: last score"
            words = (
                f"Mean over {figures.seeds_of([g for _, g in here])}. Bars: its 95 % bootstrap "
                "interval (none of a single seed). Short lines: the seeds."
            )
            figure = figures.intervals(title, rows, found.look, _unit(here), words, dots)
            pictures.append(Picture(f"scores_{dataset}", title, figure))
    return Section(
        "Last scores",
        f"{len(found.groups)} settings, {sum(len(g.runs) for g in found.groups)} runs.",
        [scores_table(found, best)],
        pictures,
    )


def datasets_table(found: Named, scores: Scores) -> Table:
    """Dataset x algorithm, with the paper's columns where they may stand there."""
    names = list(dict.fromkeys(found.names))
    cells = {(group.dataset, name): group for name, group in found.pairs}
    papers: dict[tuple[str, str], str] = {
        place: paper for place, group in cells.items() if (paper := _paper(group)) is not None
    }
    compared = {name for _, name in papers}
    columns = [(n, p) for n in names for p in (False, True) if not p or n in compared]
    rows: list[list[Cell]] = []
    for dataset in found.datasets:
        row: list[Cell] = [dataset]
        for name, beside in columns:
            group = cells.get((dataset, name))
            if beside or group is None:
                row.append(papers.get((dataset, name)) if beside else None)
            else:
                row.append(estimate([_array(group)], "mean"))
        rows.append(row)
    if len(scores.datasets) > 1:
        for label, kind in (("mean over datasets", "mean"), ("IQM over datasets", "iqm")):
            rows.append([
                label,
                *(None if paper or n not in scores.runs else estimate(scores.runs[n], kind)
                  for n, paper in columns),
            ])  # fmt: skip
    header = ["dataset", *(f"{name} (paper)" if paper else name for name, paper in columns)]
    note = "Mean last score over seeds, with its 95 % bootstrap interval."
    if len(scores.datasets) > 1:
        note += (
            f" The last two rows are over {len(scores.datasets)} datasets, by the stratified "
            "bootstrap."
        )
    note += "".join(
        f" {name} is not in them: it lacks {', '.join(lacks)}."
        for name, lacks in scores.left_out.items()
    )
    return Table("datasets", "Dataset and algorithm", header, rows, note)


def improvement_table(scores: Scores) -> Table:
    """One row for each pair of variants: the probability that the first scores higher."""
    names = list(scores.runs)
    rows: list[list[Cell]] = [
        [x, y, improvement(scores, x, y)] for i, x in enumerate(names) for y in names[i + 1 :]
    ]
    note = (
        "P(X > Y): the probability that a run of X scores higher than one of Y on the same data, "
        "ties counted half, averaged over datasets (Agarwal et al., 2021). Brackets: 95 % "
        "stratified bootstrap interval; one that holds 0.5 leaves open which is better."
    )
    return Table("improvement", "Probability of improvement", ["X", "Y", "P(X > Y)"], rows, note)


def _comparison(found: Named, scores: Scores) -> Section:
    names = list(scores.runs)
    over = f"{len(scores.datasets)} datasets" if len(scores.datasets) > 1 else scores.datasets[0]
    table = improvement_table(scores)
    words = (
        f"{scores.seeds()} a dataset. *: the 95 % bootstrap interval does not hold 0.5. "
        "Ties count half."
    )
    pictures = []
    if len(scores.datasets) > 1:
        for label, kind in (("IQM", "iqm"), ("mean", "mean")):
            title = f"{label} of last scores over {over}"
            estimates = {name: estimate(scores.runs[name], kind) for name in names}
            say = (
                f"{scores.seeds()} a dataset. Bars: 95 % stratified bootstrap interval "
                "(none of a single seed)."
            )
            figure = figures.intervals(title, estimates, found.look, "normalised score", say)
            pictures.append(Picture(f"aggregate_{kind}", title, figure))
    title = f"Performance profiles: {over}"
    pictures.append(Picture("profiles", title, figures.profiles(scores, found.look, title)))
    title = f"Probability of improvement: {over}"
    pictures.append(Picture("improvement", title, figures.matrix(table, names, title, words)))
    return Section("Which algorithm is better", "", [table], pictures)


def _over_x(found: Named, x: str, title: str) -> Section:
    pictures = []
    for dataset in found.datasets:
        here = found.on(dataset)
        for label, quantity in figures.quantities([g for _, g in here]).items():
            if not any(quantity(group) for _, group in here):
                continue
            name = f"{dataset}: {label} over {x}"
            words = (
                f"Mean over {figures.seeds_of([g for _, g in here])}. Bars: its 95 % bootstrap "
                "interval (none of a single seed). Short lines: the seeds."
            )
            figure, axes = panel(name, words, height=3.3)
            figures.over_x(axes, here, x, quantity, found.look, label)
            kind = "error" if label.startswith("Bellman") else "score"
            pictures.append(Picture(f"{kind}_over_{x}_{dataset}", name, figure))
    return Section(title, "", [], pictures)


def _alphas(found: Named) -> Named | None:
    """The same results laid out over alpha; None where no algorithm has two on one dataset."""
    groups = [
        SeedGroup(g.settings, g.alpha, g.facts, g.runs) for g in found.groups if g.alpha is not None
    ]
    counts: dict[tuple[str, str], set[float | None]] = {}
    for group in groups:
        counts.setdefault((group.dataset, group.algo), set()).add(group.alpha)
    kept = [g for g in groups if len(counts[g.dataset, g.algo]) > 1]
    return named(found.folder, Results(kept, []), "alpha") if kept else None


def _learning(found: Named) -> Section | None:
    reader = Curves({"evaluation/score"})
    pictures = []
    for dataset in found.datasets if found.x in WHOLE else ():
        here = found.on(dataset)
        curves = {name: average(reader.of(group, "evaluation/score")) for name, group in here}
        drawn = {name: curve for name, curve in curves.items() if curve is not None}
        if drawn:
            title = f"{dataset}: score while training"
            figure = figures.learning(title, drawn, found.look, _unit(here))
            pictures.append(Picture(f"learning_{dataset}", title, figure))
    if not pictures:
        return None
    text = "Every evaluation of every seed, from the metrics.csv of each run."
    return Section("Learning curves", text, [], pictures)


def _cost(found: Named) -> Section | None:
    rows: list[list[Cell]] = []
    for name, group in found.pairs:
        results = {run.place: run.result for run in group.runs.values()}.values()
        speeds = [r["updates_per_second"] for r in results if r.get("updates_per_second")]
        hours = [r["wall_seconds"] / 3600 for r in results if r.get("wall_seconds") is not None]
        if not hours:
            continue
        members = sorted({len(result["members"]) for result in results})
        devices = ", ".join(sorted({str(result.get("device") or "–") for result in results}))
        rows.append([
            group.dataset, name, *([str(group.x)] if found.x else []),
            Estimate(float(np.median(speeds)), None, ",.1f") if speeds else None,
            " or ".join(map(str, members)),
            Estimate(float(np.median(hours)), None, ".2f"),
            Estimate(sum(hours), None, ".2f"), devices,
        ])  # fmt: skip
    if not rows:
        return None
    every = {run.place: run.result for group in found.groups for run in group.runs.values()}
    total = sum(result.get("wall_seconds") or 0.0 for result in every.values()) / 3600
    header = ["dataset", "algorithm", *([found.x] if found.x else []), "updates/s", "members"]
    header += ["hours a run", "hours", "device"]
    note = (
        f"All {len(every)} runs took {total:.2f} hours, evaluations included. Updates/s: median "
        "over runs, evaluations left out, of all members of a run at once; a run that trained "
        "several settings side by side is counted in the row of each."
    )
    return Section("Cost", "", [Table("cost", "Cost", header, rows, note)])


def _array(group: SeedGroup) -> Floats:
    return np.array(list(group.scores.values()), np.float64)


def _unit(here: Sequence[tuple[str, SeedGroup]]) -> str:
    metrics = {
        (run.result.get("evaluation") or {}).get("metric")
        for _, group in here
        for run in group.runs.values()
    }
    if not all(group.normalised for _, group in here):
        return "mean return of an episode"
    return "success rate (%)" if metrics == {"success"} else "normalised score"


def _paper(group: SeedGroup) -> str | None:
    """The paper's score of the same dataset and algorithm, where the two may be compared."""
    found = SCORES.get((group.dataset, group.algo))
    return found if comparable(group.sources, group.replays) else None


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
