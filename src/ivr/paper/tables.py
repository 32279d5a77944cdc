"""The tables of the deck, of what was run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.paper.claims import Claim
from ivr.paper.deck import COMPARED, DATASETS, FAMILIES, called, family, of_family, printed
from ivr.paper.findings import Cells, Finding
from ivr.paper.measured import Cell, Place
from ivr.paper.verdicts import Floats, Sample, contrast
from ivr.report.output.tables import Cell as Entry
from ivr.report.output.tables import Estimate, Table
from ivr.report.paper import SCORES

Pair = tuple[Finding, Finding]
"""What a claim came to on the paper's data, and on others."""
ORDER = (*COMPARED, "sql", "eql")
NOTE = "Mean last score over seeds, with its 95 % interval (Student's t) from three seeds on."


def mean_of(samples: Sequence[Floats], form: str = ".1f") -> Estimate:
    """Average the means of some settings, with the interval of the page's rule."""
    found = contrast([Sample(1 / len(samples), scores) for scores in samples])
    if found is None:
        return Estimate(float(sum(scores.mean() for scores in samples) / len(samples)), None, form)
    return Estimate(found.value, found.interval(), form)


def of_part(cells: Cells, part: str, of_paper: bool) -> list[Cell]:
    """The cells of a part, in the order of the paper's tables."""

    def order(place: Place) -> tuple[object, ...]:
        dataset = place.stratum
        known = DATASETS.index(dataset) if dataset in DATASETS else len(DATASETS)
        algo = ORDER.index(place.algo) if place.algo in ORDER else len(ORDER)
        families = [*FAMILIES, "other"]
        return families.index(family(dataset)), known, dataset, place.at or 0.0, algo, place.algo

    chosen = [place for place in cells if (place.part, place.of_paper) == (part, of_paper)]
    return [cells[place] for place in sorted(chosen, key=order)]


@dataclass(frozen=True)
class FamilyMean:
    """A method's mean over a family's datasets."""

    family: str
    datasets: tuple[str, ...]
    algo: str
    estimate: Estimate
    printed: float | None
    """The paper's, where it may stand beside it."""


def family_means(cells: Sequence[Cell], of_paper: bool) -> list[FamilyMean]:
    """Average each method over each family, where it has all of its datasets.

    The paper's family is whole; of other data it is whatever was run in its place.
    """
    found = []
    known = {(cell.place.stratum, cell.place.algo): cell for cell in cells}
    there = tuple(dict.fromkeys(cell.place.stratum for cell in cells))
    for name in dict.fromkeys(map(family, there)):
        own = tuple(stratum for stratum in there if family(stratum) == name)
        datasets = of_family(name) if of_paper else own
        for algo in methods(cells):
            if all((dataset, algo) in known for dataset in datasets):
                scores = [known[dataset, algo].values["score"] for dataset in datasets]
                numbers = [n for d in datasets if (n := printed(d, algo)) is not None]
                beside = of_paper and len(numbers) == len(datasets)
                mean = sum(numbers) / len(numbers) if beside else None
                found.append(FamilyMean(name, datasets, algo, mean_of(scores), mean))
    return found


def methods(cells: Sequence[Cell]) -> list[str]:
    """The methods of some cells, in the order of the paper's columns."""
    present = {cell.place.algo for cell in cells}
    return [*(algo for algo in ORDER if algo in present), *sorted(present - set(ORDER))]


def results_table(cells: Sequence[Cell], of_paper: bool) -> Table:
    """Dataset and method, with the paper's numbers beside where they may stand; means below."""
    columns = methods(cells)
    header = ["dataset"]
    for algo in columns:
        header += [called(algo), f"{called(algo)} (paper)"] if of_paper else [called(algo)]
    lines: dict[str, dict[str, tuple[Entry, Entry]]] = {}
    for cell in cells:
        dataset, algo = cell.place.stratum, cell.place.algo
        pair = mean_of([cell.values["score"]]), SCORES.get((dataset, algo))
        lines.setdefault(dataset, {})[algo] = pair
    for one in family_means(cells, of_paper):
        if len(one.datasets) > 1:
            label = f"mean of {len(one.datasets)}, {one.family}"
            beside = None if one.printed is None else f"{one.printed:.1f}"
            lines.setdefault(label, {})[one.algo] = one.estimate, beside
    rows: list[list[Entry]] = []
    for label, line in lines.items():
        pairs = [line.get(algo, (None, None)) for algo in columns]
        rows.append([label, *(entry for pair in pairs for entry in pair[: 1 + of_paper])])
    note = f"{_title(of_paper)}. {NOTE} A method that lacks a dataset has no mean over them."
    return Table(f"results_{_which(of_paper)}", _title(of_paper), header, rows, note)


COLUMNS = {
    "noisy": {"score": ("last score", ".1f"), "error": ("Bellman error", ".3g")},
    "small": {
        "score": ("last score", ".1f"),
        "error": ("Bellman error", ".3g"),
        "sparsity": ("sparsity", ".2f"),
        "mean_weight": ("mean weight", ".3g"),
    },
    "online": {
        "regret": ("regret", ".3f"),
        "dip": ("worst dip", ".3f"),
        "score": ("last score", ".1f"),
    },
}
"""By part: quantities, each with its header and how it is written."""

FIRST = {
    "noisy": ("mixture", "share of experts", "method"),
    "small": ("dataset", "share of the data", "method"),
    "online": ("dataset", "online"),
}
"""By part: what tells its rows apart."""

WORDS = {
    "noisy": f"{NOTE} Bellman error: on the experts' transitions, in squared units of the recorded "
    "rewards.",
    "small": f"{NOTE} Bellman error: on all of the data. Sparsity and mean weight, as last "
    "logged: of SQL's and EQL's ratio of their policy to that of the data, of IQL's weights; "
    "methods without weights have none.",
    "online": "Regret: mean of what training episodes lacked to the offline policy's return; worst "
    "dip: how far the worst ten in a row fell below it; both as shares of the range of returns, "
    "after the warm-up. Last score: of the last evaluation.",
}


def laid_out_table(cells: Sequence[Cell], part: str, of_paper: bool) -> Table:
    """One row for each setting of noisy data, small data or a way online."""
    columns = COLUMNS[part]
    rows: list[list[Entry]] = []
    for cell in cells:
        place = cell.place
        at = None if place.at is None else f"{place.at:g}"
        row: list[Entry] = [place.stratum, at, called(place.algo)]
        if part == "online":
            row = [place.stratum, place.algo]
        for quantity, (_, form) in columns.items():
            values = cell.values.get(quantity)
            row.append(None if values is None else mean_of([values], form))
        rows.append([*row, len(cell.group.runs)])
    header = [*FIRST[part], *(name for name, _ in columns.values()), "seeds"]
    title = _title(of_paper)
    return Table(f"{part}_{_which(of_paper)}", title, header, rows, f"{title}. {WORDS[part]}")


def _which(of_paper: bool) -> str:
    return "paper" if of_paper else "other"


def _title(of_paper: bool) -> str:
    return "On the paper's data" if of_paper else "On other data than the paper's"


def form_of(claim: Claim) -> str:
    """How a number of a claim is written: a share of returns with more digits than a score."""
    quantity = claim.differences[0].terms[0].quantity
    return ".3f" if quantity in ("regret", "dip") else ".1f"


def decided_table(part: str, pairs: Sequence[Pair], runs: Mapping[Path, int]) -> Table:
    """One row for each difference of a part's claims that was run: what the rule saw."""
    rows: list[list[Entry]] = []
    for ours, other in pairs:
        for finding, data in ((ours, "the paper's"), (other, "other")):
            for one in finding.seen:
                if one.estimate is None:
                    continue
                estimate = Estimate(
                    one.estimate.value, one.estimate.interval(), form_of(finding.claim)
                )
                printed = one.difference.printed if finding is ours else None
                numbers = {
                    runs[run.place] for cell in one.cells for run in cell.group.runs.values()
                }
                rows.append([
                    finding.claim.words, one.difference.label, data, ", ".join(one.strata),
                    None if printed is None else f"{printed:+.1f}", estimate,
                    ", ".join(map(str, sorted(numbers))),
                ])  # fmt: skip
    header = ["claim", "difference", "data", "over", "in the paper", "here", "runs"]
    note = (
        "What decides each claim: estimates with their 95 % intervals. Runs: their numbers, with "
        "folder and command in the last section."
    )
    return Table(f"{part}_differences", "What decides each claim", header, rows, note)
