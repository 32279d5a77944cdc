"""The page: each claim of the deck, its figure, ours beside the paper's number, and a verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ivr.paper import drawing, verdicts
from ivr.paper.claims import Claim, numbers
from ivr.paper.deck import PARTS, called
from ivr.paper.findings import VERDICTS, Finding, find
from ivr.paper.measured import Cell, Measured
from ivr.paper.tables import (
    Pair,
    decided_table,
    form_of,
    laid_out_table,
    of_part,
    results_table,
)
from ivr.report.gathering.results import Results
from ivr.report.output.sections import Picture, Section
from ivr.report.output.tables import Cell as Entry
from ivr.report.output.tables import Estimate, Table
from ivr.report.paper import SCORES
from ivr.report.provenance import provenance, run_numbers
from ivr.sweeps.names import settings

UPDATES = 1_000_000
"""Of the paper's runs."""

_EXPECTED = {
    "algo", "dataset", "dataset.path", "dataset.source", "dataset.id", "dataset.name",
    "seed", "num_updates", "eval_every", "eval_episodes",
}  # fmt: skip
"""Options that say which cell of the results table a run is of, and how it was watched."""

RULE = """\
A claim says that some differences of means lie above 0. (A single number of the paper is a claim
too: that the mean is the paper's, to within its own spread and {tolerance:g} points more.) Each
difference has an interval over seeds: Student's t with the degrees of freedom of Welch and
Satterthwaite; every setting has a variance of its own, and datasets weigh the same. The claim holds
where the 95 % intervals of all its differences lie where it says. It does not hold where one of
them lies wholly elsewhere, at 1 - 5 %/k of k differences. Else it is not decided. Nothing is
decided by a setting of fewer than {least} seeds or of which a seed diverged, nor between methods
that were trained for unequal lengths, on unequal data or in unequal evaluations. Either word is
wrong in at most about one of twenty claims, and the page has {count}. The bootstrap intervals of
report.py, in the figures over shares and of training episodes, are too narrow for few seeds
(docs/report.md) and decide nothing. Scores are last scores, never best ones."""

DATA = """\
Runs on the paper's data, which are D4RL's own in an environment that repeats them
(docs/datasets.md), decide the verdict: what holds is "reproduced", what does not "not reproduced".
Runs on any other data say nothing of the paper's: they stand in columns and tables of their own,
with what comes of the claim there by the same rule."""


def sections(
    folder: Path,
    results: Results,
    found: Measured,
    stated: Sequence[Claim],
    tolerance: float,
    missing: Table | None,
) -> list[Section]:
    """Write all sections of the page.

    Args:
        folder: of the runs.
        results: found there.
        found: their cells.
        stated: the deck's claims.
        tolerance: of a single number of the paper.
        missing: what was not run, and why.
    """
    pairs = [(find(c, found.cells, True), find(c, found.cells, False)) for c in stated]
    singles = [find(claim, found.cells, True) for claim in numbers(tolerance)]
    count = len(pairs) + len(singles)
    rule = RULE.format(tolerance=tolerance, count=count, least=verdicts.LEAST)
    parts = [
        Section("Claims and verdicts", DATA, [verdict_table(pairs)]),
        Section("The rule", rule),
    ]
    for part in PARTS:
        here = [pair for pair in pairs if pair[0].claim.part == part]
        parts.append(_part(folder, part, here, found, run_numbers(results)))
        if part == "table":
            parts.append(Section("Number by number", "", [numbers_table(singles)], folded=True))
    if missing is not None:
        parts.append(Section(f"What is missing ({len(missing.rows)})", "", [missing]))
    if found.notes:
        parts.append(_listed("Not used", found.notes))
    if not results.groups:
        return [*parts, _listed("Left out", results.notes)]
    return parts + provenance(folder, results)


def _listed(title: str, notes: Sequence[str]) -> Section:
    table = Table(title.lower(), title, ["what, and why"], [(note,) for note in notes])
    return Section(f"{title} ({len(notes)})", "", [table])


def verdict_table(pairs: Sequence[Pair]) -> Table:
    """One row for each claim: on the paper's data, and on others."""
    rows: list[list[Entry]] = []
    for ours, other in pairs:
        printed = [one.printed for one in ours.claim.differences]
        known = [number for number in printed if number is not None]
        rows.append([
            PARTS[ours.claim.part], ours.claim.words,
            f"{min(known):+.1f}" if len(known) == len(printed) else None,
            _here(ours), VERDICTS[ours.status], _why(ours),
            _here(other), other.status, other.remarks or None,
        ])  # fmt: skip
    header = [
        "part", "claim", "in the paper", "here", "verdict", "why",
        "on other data", "there it", "why there",
    ]  # fmt: skip
    note = (
        "In the paper, here, on other data: of several differences the one that is hardest on the "
        "claim. Other data: made by this project or by others, and D4RL's without a certificate "
        "that the environment repeats them. The tables below name them."
    )
    return Table("verdicts", "Claims and verdicts", header, rows, note)


def numbers_table(findings: Sequence[Finding]) -> Table:
    """One row for each number of the paper's results table."""
    rows: list[list[Entry]] = []
    for finding in findings:
        (one,) = finding.seen
        (dataset,) = one.difference.strata
        printed = SCORES[dataset, one.difference.terms[0].algo]
        verdict = VERDICTS[finding.status]
        why = _why(finding) if one.cells else None
        rows.append([dataset, one.difference.label, printed, _here(finding), verdict, why])
    header = ["dataset", "method", "in the paper", "here", "verdict", "why"]
    return Table("numbers", "Number by number", header, rows)


def _here(finding: Finding) -> Entry:
    """The difference that is hardest on the claim."""
    known = [one.estimate for one in finding.seen if one.estimate is not None]
    if not known:
        return None
    least = min(known, key=lambda one: one.interval()[0])
    return Estimate(least.value, least.interval(), form_of(finding.claim))


def _why(finding: Finding) -> Entry:
    """What keeps a claim on the paper's data from a verdict, or should be known of it."""
    cells = dict.fromkeys(cell for one in finding.seen for cell in one.cells)
    said = [finding.remarks]
    if finding.claim.part != "online" and cells:
        updates = min(cell.updates for cell in cells)
        if updates < UPDATES:
            said.append(f"after {updates:,} updates, the paper's {UPDATES:,}")
    if finding.claim.part in ("small", "online") and cells:  # for which the deck names no data
        said.append(f"on {', '.join(dict.fromkeys(cell.place.stratum for cell in cells))}")
    if finding.claim.part == "table":
        said += _options(list(cells))
    return "; ".join(filter(None, said)) or None


def _options(cells: Sequence[Cell]) -> list[str]:
    """The options that the results table needs none of, by method, and on which data."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if words := " ".join(_changed(cell.group.results)):
            found.setdefault(f"{called(cell.place.algo)} with {words}", []).append(
                cell.place.stratum
            )
    strata = {cell.place.stratum for cell in cells}
    return [
        what if set(where) == strata else f"{what} on {', '.join(where)}"
        for what, where in found.items()
    ]


def _changed(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The options of runs besides those that say which cell they are of."""
    words = {
        f"{key}={value}": None
        for result in results
        for key, value in settings(result.get("overrides") or ()).items()
        if key not in _EXPECTED and not key.startswith("hydra")
    }
    return list(words)


def _part(
    folder: Path,
    part: str,
    pairs: Sequence[Pair],
    found: Measured,
    runs: Mapping[Path, int],
) -> Section:
    """The tables and figures of a part, the paper's data and others apart."""
    tables: list[Table] = []
    pictures = [
        Picture(f"{part}_claim_{number}", ours.claim.words, figure)
        for number, (ours, other) in enumerate(pairs, 1)
        if (figure := drawing.differences(ours, other)) is not None
    ]
    for of_paper in (True, False):
        cells = of_part(found.cells, part, of_paper)
        if not cells:
            continue
        if part == "table":
            tables.append(results_table(cells, of_paper))
            drawn = drawing.means(cells, of_paper)
        else:
            tables.append(laid_out_table(cells, part, of_paper))
            drawn = drawing.laid_out(folder, part, cells)
        which = "paper" if of_paper else "other"
        pictures += [Picture(f"{part}_{which}_{name}", name, drawn[name]) for name in drawn]
    if not tables:
        return Section(PARTS[part], "Nothing of this part was run.")
    decided = decided_table(part, pairs, runs)
    return Section(PARTS[part], "", [*tables, *([decided] if decided.rows else [])], pictures)
