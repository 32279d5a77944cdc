"""Algorithms over datasets: which is better, and how sure that is."""

from ivr.report import figures
from ivr.report.named import Named, array, paper
from ivr.report.output.sections import Picture, Section
from ivr.report.output.tables import Cell, Table
from ivr.report.statistics.aggregate import Scores, estimate, improvement


def datasets_table(found: Named, scores: Scores) -> Table:
    """Dataset x algorithm, with the paper's columns where they may stand there."""
    names = list(dict.fromkeys(found.names))
    cells = {(group.dataset, name): group for name, group in found.pairs}
    papers: dict[tuple[str, str], str] = {
        place: score for place, group in cells.items() if (score := paper(group)) is not None
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
                row.append(estimate([array(group)], "mean"))
        rows.append(row)
    if len(scores.datasets) > 1:
        for label, kind in (("mean over datasets", "mean"), ("IQM over datasets", "iqm")):
            rows.append([
                label,
                *(None if beside or n not in scores.runs else estimate(scores.runs[n], kind)
                  for n, beside in columns),
            ])  # fmt: skip
    header = ["dataset", *(f"{name} (paper)" if beside else name for name, beside in columns)]
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


def comparison(found: Named, scores: Scores) -> list[Section]:
    """Means over datasets, performance profiles, and who beats whom."""
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
    return [
        Section("Which algorithm is better", "", [], pictures),
        Section("Probability of improvement, pair by pair", "", [table], folded=True),
    ]
