"""Reads what was run, and writes the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ivr.errors import UserError
from ivr.files import write_text
from ivr.paper.claims import claims
from ivr.paper.measured import Measured, measured
from ivr.paper.page import sections
from ivr.report.gathering.results import Results, read_results
from ivr.report.output.tables import Table
from ivr.report.output.write import write_report


def write(
    folder: Path, options: Mapping[str, Any], missing: Table | None, place: str, *, index: bool
) -> str:
    """Write index.html, index.md, and index/ with each table and figure, of the runs in a folder.

    Whoever made the finished runs below it, they count.

    Args:
        folder: of the runs.
        options: of conf/paper.yaml, in plain types.
        missing: what was not run, and why.
        place: where the results lie, in words.
        index: whether the folder above it gets the page as well, as that of the last scale.

    Returns:
        the contents of index.md.
    """
    try:
        results = read_results(folder)
    except UserError as error:  # there is none; the page says what is missing
        results = Results([], [str(error)])
    found = measured(results.groups, folder)
    shares = compared(options["shares"], found, "noisy")
    stated = claims(shares, compared(options["keeps"], found, "small"))
    parts = sections(folder, results, found, stated, options["tolerance"], missing)
    title = f"The paper's claims, at scale {options['scale']['name']}"
    text = write_report(folder, title, place, parts, "index")
    if index:
        page = (folder / "index.html").read_text(encoding="utf-8")
        write_text(folder.parent / "index.html", page)
    return text


def compared(given: Sequence[float] | None, found: Measured, part: str) -> Sequence[float]:
    """The two shares that the claims about a part compare.

    Those that are given, unless neither was run; else the least and the greatest that was.
    """
    run = {place.at for place in found.cells if place.part == part and place.at is not None}
    if len(run) > 1 and not run & set(given or ()):
        return min(run), max(run)
    return given or (0.03, 1.0)
