"""Gathers the results of many runs into a page, tables and figures."""

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ivr.errors import UserError

log = logging.getLogger(__name__)


def run(composed: DictConfig, folder: Path, overrides: list[str]) -> str:
    """Write report.html, report.md, report/ and with x= report.png into the folder of the runs.

    Returns:
        the contents of report.md.

    Raises:
        UserError: for a folder without results, or an x that they do not have.
    """
    if OmegaConf.is_missing(composed, "folder"):
        raise UserError("folder is missing: give the folder of a sweep, as in outputs/sweeps/...")
    runs, x = Path(str(composed.folder)), composed.x
    if not runs.is_dir():
        raise UserError(f"folder={runs} is not a folder")
    if not isinstance(composed.best, bool):
        raise UserError(f"best={composed.best}: true or false")
    from ivr.report.contents import named, sections  # takes a second: matplotlib, SciPy
    from ivr.report.figures import grid_over_x
    from ivr.report.results import read_results
    from ivr.report.summary import short
    from ivr.report.write import image, save, write_report

    x = None if x is None else str(x)
    found = named(runs, read_results(runs, x), x)
    log.info(short(found))
    if x is not None:
        save(runs / "report.png", image(grid_over_x(found.pairs, x, found.look), "png"))
    parts = sections(found, best=composed.best)
    title = f"{', '.join(found.datasets[:3])}{' and others' * (len(found.datasets) > 3)}: results"
    text = write_report(runs, title, _place(runs, overrides), parts)
    log.info(f"written: {runs / 'report.html'}, report.md, and tables and figures in report/")
    return text


def _place(runs: Path, overrides: list[str]) -> str:
    import shlex

    return f"Results below {runs}, by python report.py {' '.join(map(shlex.quote, overrides))}"
