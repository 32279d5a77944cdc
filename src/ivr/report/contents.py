"""Decides what a report of some results holds."""

from ivr.report.comparison import comparison, datasets_table
from ivr.report.named import WHOLE, Named
from ivr.report.online import online
from ivr.report.output.sections import Section
from ivr.report.scores import scores
from ivr.report.sensitivity import over_alpha, over_option
from ivr.report.statistics.aggregate import scores_of
from ivr.report.training import cost, learning
from ivr.report.values import values


def sections(found: Named, *, best: bool = False) -> list[Section]:
    """Write what there is to say of scores; `provenance` says where they come from.

    Args:
        found: the results.
        best: whether best scores have a column of their own.
    """
    parts: list[Section | None] = [scores(found, best)]
    if found.x in WHOLE:
        over = scores_of(found.groups, found.names)
        if len(found.datasets) > 1:
            parts.append(Section("Datasets and algorithms", "", [datasets_table(found, over)]))
        if len(over.runs) > 1:
            parts += comparison(found, over)
    if found.x is not None:
        parts.append(over_option(found, found.x, f"Over {found.x}"))
    elif (alphas := over_alpha(found)) is not None:
        parts.append(over_option(alphas, "alpha", "Sensitivity to α"))
    parts += [online(found), learning(found), values(found), cost(found)]
    return [part for part in parts if part is not None]
