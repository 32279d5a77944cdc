"""Overestimation: what V promised at the first states, against the return that came."""

import numpy as np

from ivr.report import figures
from ivr.report.gathering.curves import Curves, Series
from ivr.report.gathering.groups import SeedGroup
from ivr.report.named import WHOLE, Named
from ivr.report.output.sections import Picture, Section
from ivr.report.output.tables import Cell, Table
from ivr.report.statistics.aggregate import estimate
from ivr.report.statistics.averages import average
from ivr.report.statistics.intervals import Floats

_VALUE, _CAME = "evaluation/value_start", "evaluation/discounted_return"


def values(found: Named) -> Section | None:
    """A table of the last evaluations, and pictures for each dataset; None where V is unknown."""
    pairs = [(name, group, _values(group)) for name, group in found.pairs]
    known = [(name, group, pair) for name, group, pair in pairs if pair is not None]
    if not known:
        return None
    rows: list[list[Cell]] = [
        [
            group.dataset, name, *([str(group.x)] if found.laid_out else []),
            estimate([pair[0]], "mean", ".4g"), estimate([pair[1]], "mean", ".4g"),
            estimate([pair[0] - pair[1]], "mean", ".4g"),
        ]
        for name, group, pair in known
    ]  # fmt: skip
    header = ["dataset", "algorithm", *([found.laid_out] if found.laid_out else [])]
    header += ["V(s₀)", "return that came", "difference"]
    note = (
        "Means over the first states of the last evaluation, in the units that V was trained in; "
        "brackets: 95 % bootstrap interval over seeds. The return that came is discounted, and "
        "ends where time ended an episode, after which V goes on."
    )
    text = "A difference far above 0 is overestimation: V expects more than the policy gets."
    table = Table("values", "V(s₀) and the return that came", header, rows, note)
    pictures: list[Picture] = []
    for dataset in found.datasets if found.x in WHOLE else ():
        points = {name: pair for name, group, pair in known if group.dataset == dataset}
        if points:
            title = f"{dataset}: V(s₀) against the return that came"
            words = "A mark for each seed, at the last evaluation. Above the line: overestimated."
            figure = figures.scatter(title, points, found.look, words)
            pictures.append(Picture(f"values_{dataset}", title, figure))
            pictures += _while_training(found, dataset)
    return Section("V(s₀) against the return that came", text, [table], pictures)


def _values(group: SeedGroup) -> tuple[Floats, Floats] | None:
    pairs = [run.values for run in group.runs.values() if run.values is not None]
    if not pairs:
        return None
    promised, came = zip(*pairs, strict=True)
    return np.array(promised), np.array(came)


def _while_training(found: Named, dataset: str) -> list[Picture]:
    reader = Curves({_VALUE, _CAME})
    curves = {}
    for name, group in found.on(dataset):
        pairs = zip(reader.by_seed(group, _VALUE), reader.by_seed(group, _CAME), strict=True)
        differences = [_difference(promised, came) for promised, came in pairs]
        curve = average([series for series in differences if series])
        if curve is not None:
            curves[name] = curve
    if not curves:
        return []
    title = f"{dataset}: V(s₀) − return while training"
    figure = figures.learning(title, curves, found.look, "V(s₀) − discounted return")
    return [Picture(f"overestimation_{dataset}", title, figure)]


def _difference(promised: Series, came: Series) -> Series:
    return {update: promised[update] - came[update] for update in promised if update in came}
