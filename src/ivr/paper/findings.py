"""Holds claims against what was measured, the paper's data and all others apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ivr.paper import verdicts
from ivr.paper.claims import Claim, Difference, Term
from ivr.paper.deck import called, family
from ivr.paper.measured import Cell, Place
from ivr.paper.verdicts import Contrast, Sample, contrast, decide

VERDICTS = {
    verdicts.HOLDS: "reproduced",
    verdicts.FAILS: "not reproduced",
    verdicts.OPEN: "not decided (intervals overlap)",
    verdicts.MISSING: "not run on the paper's data",
}
"""What the status of a claim on the paper's data is called."""

Cells = Mapping[Place, Cell]


@dataclass(frozen=True)
class Seen:
    """What runs say of one difference."""

    difference: Difference
    strata: tuple[str, ...]
    """The datasets that it is estimated on: those that have all of its settings."""
    estimate: Contrast | None
    """None where there is no such dataset, or a setting has too few seeds."""
    cells: tuple[Cell, ...]
    lacks: tuple[str, ...]
    """What was not run of it, in words."""
    doubts: tuple[str, ...] = ()
    """Why its estimate decides nothing, in words."""


@dataclass(frozen=True)
class Finding:
    """What runs say of a claim."""

    claim: Claim
    status: str
    """One of `verdicts`."""
    seen: tuple[Seen, ...]

    @property
    def remarks(self) -> str:
        """Why it is not decided, in words; empty where nothing is to be said."""
        said = []
        lacks = list(dict.fromkeys(name for one in self.seen for name in one.lacks))
        if not any(one.cells for one in self.seen):
            said.append("no dataset has all of its runs")
        elif lacks:
            more = f" and {len(lacks) - 6} more" if len(lacks) > 6 else ""
            said.append(f"not run: {', '.join(lacks[:6])}{more}")
        said += dict.fromkeys(doubt for one in self.seen for doubt in one.doubts)
        if any(one.cells and one.estimate is None for one in self.seen):
            said.append(f"fewer than {verdicts.LEAST} seeds, which decide nothing")
        return "; ".join(said)


def find(claim: Claim, cells: Cells, of_paper: bool) -> Finding:
    """Decide a claim by the cells that are of the paper's data, or by those that are not.

    On the paper's data a difference is complete over all of the paper's datasets only. On other
    data it is over those of the claim's family that have all of its settings, and a claim of
    several differences is about those that were run at all.
    """
    here = {place: cell for place, cell in cells.items() if place.of_paper == of_paper}
    strata = [
        place.stratum
        for place in sorted(here, key=lambda place: place.stratum)
        if place.part == claim.part and claim.family in (None, family(place.stratum))
    ]
    there = tuple(dict.fromkeys(strata))
    if claim.each and not of_paper:
        differences = [replace(claim.differences[0], strata=(stratum,)) for stratum in there]
    else:
        differences = list(claim.differences)
    seen = tuple(
        _seen(replace(one, strata=one.strata if asked else there), claim, here, of_paper, asked)
        for one in differences
        for asked in [bool(one.strata) and (of_paper or claim.each)]
    )
    if not of_paper and any(one.cells for one in seen):
        decided = tuple(one for one in seen if one.cells)
    else:
        decided = seen
    complete = [None if one.lacks or one.doubts else one.estimate for one in decided]
    status = decide(complete, claim.low, claim.high)
    if status != verdicts.FAILS and (not decided or any(one.lacks for one in decided)):
        status = verdicts.MISSING
    return Finding(claim, status, seen)


def _seen(difference: Difference, claim: Claim, here: Cells, of_paper: bool, asked: bool) -> Seen:
    """Estimate a difference on the datasets that have all of it; `asked`: it wants all of them."""
    full: dict[str, list[tuple[Term, Cell]]] = {}
    lacks: list[str] = []
    run: set[Term] = set()
    for stratum in difference.strata:
        found = []
        for term in difference.terms:
            cell = here.get(Place(claim.part, of_paper, stratum, term.at, term.algo))
            if cell is not None and term.quantity in cell.values:
                found.append((term, cell))
            else:
                lacks.append(f"{_named(term)} on {stratum}")
        run.update(term for term, _ in found)
        if len(found) == len(difference.terms):
            full[stratum] = found
    if not asked:  # one dataset that has all of it is enough
        never = [_named(term) for term in difference.terms if term not in run]
        lacks = [] if full else never or lacks
    samples = [
        Sample(term.weight / len(full), cell.values[term.quantity])
        for found in full.values()
        for term, cell in found
    ]
    cells = dict.fromkeys(cell for found in full.values() for _, cell in found)
    estimate = contrast(samples) if samples else None
    missing, doubts = tuple(dict.fromkeys(lacks)), tuple(_doubts(full, claim.part))
    return Seen(difference, tuple(full), estimate, tuple(cells), missing, doubts)


def _doubts(full: Mapping[str, Sequence[tuple[Term, Cell]]], part: str) -> Iterator[str]:
    """Say why the cells of a difference cannot be held against each other."""
    for stratum, found in full.items():
        lengths = {cell.updates for _, cell in found}
        if len(lengths) > 1 and part != "online":
            least, most = min(lengths), max(lengths)
            yield f"trained for unequal lengths on {stratum}, {least:,} to {most:,} updates"
        for _, same in groupby(sorted(found, key=_at), _at):
            first, *others = [cell.task for _, cell in same]
            if any(task[k] != first[k] for task in others for k in task.keys() & first.keys()):
                yield f"not on the same data or in the same evaluation: {stratum}"
        for term, cell in found:
            if cell.group.lost:
                seeds = ", ".join(map(str, sorted(cell.group.lost)))
                yield f"no score of {_named(term)} on {stratum} with seed {seeds}"


def _at(found: tuple[Term, Cell]) -> float:
    return found[0].at or 0.0


def _named(term: Term) -> str:
    return called(term.algo) + ("" if term.at is None else f" at {term.at:g}")
