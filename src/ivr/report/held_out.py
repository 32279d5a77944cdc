"""What there is of runs without an environment: measures on held-out episodes, and no score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ivr.report.gathering.results import Results
from ivr.report.output.sections import Section
from ivr.report.output.tables import Cell, Table
from ivr.training.plain import finite

_MEASURES = ("explained_variance", "bellman_error", "action_error")

_NOTE = (
    "No policy was tried in an environment, so none of these is a score: they say how well critics "
    "and policies fit episodes that were kept out of training. Columns are of the last update. "
    "rank.py estimates what the policies are worth."
)


def held_out(folder: Path, results: Results) -> Section | None:
    """List the members of runs that were measured on held-out episodes alone; None without any."""
    if not results.measured:
        return None
    rows: list[Sequence[Cell]] = []
    for path, result in results.measured:
        for member in result["members"]:
            measured = _mapping(member.get("held_out"))
            last, best = _mapping(measured.get("last")), _mapping(measured.get("best"))
            alpha = member["alpha"]
            rows.append((
                result["dataset"], result["algo"], None if alpha is None else f"{alpha:g}",
                member["seed"], *(_shown(last.get(name)) for name in _MEASURES),
                str(measured.get("best_by") or "–"), _shown(best.get("update")),
                "diverged" if member.get("diverged") else str(path.parent.relative_to(folder)),
            ))  # fmt: skip
    rows.sort(key=lambda row: tuple(map(str, row[:4])))
    names = [name.replace("_", " ") for name in _MEASURES]
    header = ["dataset", "algorithm", "alpha", "seed", *names, "best by", "at update", "folder"]
    table = Table("held_out", "Measured on held-out episodes", header, rows, _NOTE)
    return Section("Without an environment: what was measured on held-out episodes", "", [table])


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _shown(value: Any) -> str | None:
    return f"{value:.4g}" if finite(value) else None
