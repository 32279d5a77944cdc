"""Gathers the results of many runs into a page, tables and figures."""

import logging
import shlex
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ivr.errors import UserError
from ivr.programs import command

log = logging.getLogger(__name__)

_MOST = 1000
"""Rollouts of a budget; simulating more takes minutes."""


def run(composed: DictConfig, folder: Path, overrides: list[str]) -> str:
    """Write report.html, report.md, report/ and with x= report.png into the folder of the runs.

    Returns:
        the contents of report.md.

    Raises:
        UserError: for a folder without results, or an x that they do not have.
    """
    if OmegaConf.is_missing(composed, "folder"):
        raise UserError("folder is missing: give the folder of a sweep, as in outputs/sweeps/...")
    runs, x = Path(str(composed.folder)), composed.x or None
    if not runs.is_dir():
        raise UserError(f"folder={runs} is not a folder")
    budget, rank = _checked(composed)
    from ivr.report.contents import sections  # takes a second: matplotlib, SciPy
    from ivr.report.deployment import deployment
    from ivr.report.figures import grid_over_x
    from ivr.report.gathering.results import read_results
    from ivr.report.held_out import held_out
    from ivr.report.named import named
    from ivr.report.output.write import image, save, write_report
    from ivr.report.provenance import provenance
    from ivr.report.summary import short

    x = None if x is None else str(x)
    results = read_results(runs, x)
    measured = held_out(runs, results)
    if not results.groups and measured is not None:
        text = write_report(runs, "Without an environment", _place(runs, overrides), [measured])
        log.info(f"{text}\nwritten: {runs / 'report.html'}, report.md, and a table in report/")
        return text
    found = named(runs, results, x)
    log.info(short(found))
    if x is not None:
        save(runs / "report.png", image(grid_over_x(found.pairs, x, found.look), "png"))
    parts = sections(found, best=composed.best)
    if budget is not None:
        parts += deployment(found, budget, rank)
    parts += [measured] if measured is not None else []
    parts += provenance(runs, found.results)
    title = f"{', '.join(found.datasets[:3])}{' and others' * (len(found.datasets) > 3)}: results"
    text = write_report(runs, title, _place(runs, overrides), parts)
    log.info(f"written: {runs / 'report.html'}, report.md, and tables and figures in report/")
    return text


def _checked(composed: DictConfig) -> tuple[int | None, Path | None]:
    """The budget and the path of a rank.json, before anything is read."""
    budget, rank = composed.budget, composed.rank
    if not isinstance(composed.best, bool):
        raise UserError(f"best={composed.best}: true or false")
    if budget is not None and (not isinstance(budget, int) or not 1 <= budget <= _MOST):
        raise UserError(f"budget={budget}: a number of rollouts from 1 to {_MOST:,}")
    if rank is not None and not Path(str(rank)).is_file():
        raise UserError(f"rank={rank} is not a file: give the rank.json that rank.py wrote")
    if rank is not None and budget is None:
        raise UserError(f"rank={rank}: its order is of use with budget=..., a number of rollouts")
    return budget, None if rank is None else Path(str(rank))


def _place(runs: Path, overrides: list[str]) -> str:
    words = " ".join(map(shlex.quote, overrides))
    return f"Results below {runs}, by {command('report', lasting=True)} {words}"
