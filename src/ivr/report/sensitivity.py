"""Scores laid out over an option, such as α."""

from ivr.report import figures
from ivr.report.gathering.groups import SeedGroup
from ivr.report.gathering.results import Results
from ivr.report.named import Named, named
from ivr.report.output.sections import Picture, Section
from ivr.report.output.style import panel


def over_option(found: Named, x: str, title: str) -> Section:
    """A picture of the scores, and one of the Bellman errors, for each dataset."""
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


def over_alpha(found: Named) -> Named | None:
    """The same results laid out over alpha; None where no algorithm has two on one dataset."""
    groups = [
        SeedGroup(g.settings, g.alpha, g.facts, g.runs) for g in found.groups if g.alpha is not None
    ]
    counts: dict[tuple[str, str], set[float | None]] = {}
    for group in groups:
        counts.setdefault((group.dataset, group.algo), set()).add(group.alpha)
    kept = [g for g in groups if len(counts[g.dataset, g.algo]) > 1]
    algos = sorted({group.algo for group in found.groups})
    return named(found.folder, Results(kept, []), "alpha", algos) if kept else None
