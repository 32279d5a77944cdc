"""Shows scores as a Markdown table and as a picture."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from ivr.report.paper import SCORES, comparable
from ivr.report.results import SETTINGS, SeedGroup, group_names, mean_and_error


def markdown(groups: Sequence[SeedGroup], x: str | None) -> str:
    """Write one row for each group: last score, Bellman error, seeds, and the data."""
    sources = sorted({source for group in groups for source in group.sources})
    papers = [_paper(group) for group in groups]
    header = ["algorithm", *([x] if x else []), "last score"]
    header += [*(["paper"] if any(papers) else []), "Bellman error", "seeds", "data", "replay"]
    lines = [_row(header), _row(["---"] * len(header))]
    for group, label, paper in zip(groups, group_names(groups), papers, strict=True):
        numbers = ", ".join(str(sources.index(source) + 1) for source in sorted(group.sources))
        error = _with_error(list(group.errors.values()), ".3g")
        score = _with_error(list(group.scores.values()), ".1f")
        place = [str(group.x)] if x else []
        theirs = [paper or "–"] if any(papers) else []
        replay = ", ".join(sorted(group.replays))
        seeds = str(len(group.scores))
        lines.append(_row([label, *place, score, *theirs, error, seeds, numbers, replay]))
    lines += [
        "",
        "Last scores, not best ones; mean ± standard error over seeds. Bellman error: mean squared "
        "TD error on the dataset's own transitions, in squared units of the recorded rewards. "
        "Replay: does the environment of the scores repeat the data? (docs/datasets.md)",
        *_beside(groups, papers),
        "",
        *(f"{number}. {source}" for number, source in enumerate(sources, 1)),
    ]
    return "\n".join(lines) + "\n"


def _paper(group: SeedGroup) -> str | None:
    """The paper's score of the same dataset and algorithm, where the two may be compared."""
    facts = dict(zip(SETTINGS, group.settings, strict=True))
    found = SCORES.get((facts["dataset"], facts["algo"]))
    return found if comparable(group.sources, group.replays) else None


def _beside(groups: Sequence[SeedGroup], papers: Sequence[str | None]) -> list[str]:
    """Say what stands in the column of the paper, and why some rows have nothing there."""
    known = [dict(zip(SETTINGS, group.settings, strict=True)) for group in groups]
    left_out = any(
        paper is None and (facts["dataset"], facts["algo"]) in SCORES
        for facts, paper in zip(known, papers, strict=True)
    )
    lines = ["", "Paper: Xu et al. (ICLR 2023), after a million updates."] if any(papers) else []
    if left_out:
        lines += [
            "",
            "The paper's score stands beside those made on D4RL's own data, in an environment that "
            "repeats them, and beside no other.",
        ]
    return lines


def plot(groups: Sequence[SeedGroup], x: str) -> Figure:
    """Plot last scores over x, and Bellman errors where there are any; a curve for each name."""
    panels: list[tuple[str, Callable[[SeedGroup], dict[int, float]]]] = [
        ("last score", lambda group: group.scores)
    ]
    if any(group.errors for group in groups):
        panels.append(("Bellman error", lambda group: group.errors))
    figure = Figure(figsize=(5.2 * len(panels), 3.8), dpi=120, layout="constrained")
    numbers = [group.x for group in groups if isinstance(group.x, int | float)]
    are_numbers = len(numbers) == len(groups)
    for axis, (name, values) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        curves: dict[str, list[SeedGroup]] = {}
        for group, label in zip(groups, group_names(groups), strict=True):
            if values(group):
                curves.setdefault(label, []).append(group)
        for label, curve in curves.items():
            places = [group.x if are_numbers else str(group.x) for group in curve]
            found = [mean_and_error(list(values(group).values())) for group in curve]
            means, errors = [mean for mean, _ in found], [error or 0.0 for _, error in found]
            axis.errorbar(places, means, errors, marker="o", capsize=3, lw=1.4, label=label)
        if are_numbers and min(numbers) > 0 and max(numbers) >= 20 * min(numbers):
            axis.set_xscale("log")
        axis.set(xlabel=x, ylabel=name, yscale="log" if name == "Bellman error" else "linear")
        axis.grid(alpha=0.3)
        axis.legend()
    return figure


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_error(values: Sequence[float], form: str) -> str:
    if not values:
        return "–"
    mean, error = mean_and_error(values)
    return f"{mean:{form}}" + ("" if error is None else f" ± {error:{form}}")
