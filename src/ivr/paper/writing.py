"""Reads what was run, and writes the page."""

from collections.abc import Mapping
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
    stated = claims(options["shares"], options["keeps"] or ends(found, "small") or (0.03, 1.0))
    parts = sections(folder, results, found, stated, options["tolerance"], missing)
    title = f"The paper's claims, at scale {options['scale']['name']}"
    text = write_report(folder, title, place, parts, "index")
    if index:
        page = (folder / "index.html").read_text(encoding="utf-8")
        write_text(folder.parent / "index.html", page)
    return text


def ends(found: Measured, part: str) -> tuple[float, float] | None:
    """The least and the greatest share that was run of a part; None where there are no two."""
    shares = {place.at for place in found.cells if place.part == part and place.at is not None}
    return (min(shares), max(shares)) if len(shares) > 1 else None
