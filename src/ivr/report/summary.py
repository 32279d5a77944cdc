"""The table that a person reads where many runs have ended."""

from pathlib import Path

from ivr.errors import UserError
from ivr.report.gathering.results import read_results
from ivr.report.named import Named, named
from ivr.report.output.tables import Table, markdown
from ivr.report.scores import scores_table


def summary(folder: Path, x: str | None = None) -> str:
    """Write last scores, their intervals and seeds, for a terminal.

    Args:
        folder: of one run, or of many.
        x: an option that the scores are laid out over; see `read_results`.

    Raises:
        UserError: there is no finished run with a score.
    """
    results = read_results(folder, x)
    if not results.groups:
        raise UserError(f"folder={folder} holds no result.json of a finished run with a score")
    return short(named(folder, results, x))


def short(found: Named) -> str:
    """The columns of the scores' table that a terminal has room for."""
    table = scores_table(found)
    kept = [i for i, name in enumerate(table.header) if name in _kept(found)]
    rows = [[row[i] for i in kept] for row in table.rows]
    note = f"Last scores, not best ones; [95 % interval over seeds].\n{_left_out(found)}"
    header = [table.header[i] for i in kept]
    return markdown(Table(table.name, table.title, header, rows, note.strip()))


def _kept(found: Named) -> set[str]:
    return {"dataset", "algorithm", "mean", "paper", "successes", "seeds", str(found.x)}


def _left_out(found: Named) -> str:
    notes = found.results.notes
    shown = [f"  {note}" for note in notes[:5]]
    more = [f"  and {len(notes) - 5} more"] if len(notes) > 5 else []
    return "\n".join([f"{len(notes)} left out:", *shown, *more]) if notes else ""
