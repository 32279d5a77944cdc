"""Gathers the results of many runs into a table and a picture."""

import io
import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ivr.errors import UserError
from ivr.files import write_text, write_whole

log = logging.getLogger(__name__)


def run(composed: DictConfig, folder: Path, overrides: list[str]) -> str:
    """Write report.md, and with x= report.png, into the folder of the runs; returns the table.

    Raises:
        UserError: for a folder without results, or an x that they do not have.
    """
    if OmegaConf.is_missing(composed, "folder"):
        raise UserError("folder is missing: give the folder of a sweep, as in outputs/sweeps/...")
    runs, x = Path(str(composed.folder)), composed.x
    if not runs.is_dir():
        raise UserError(f"folder={runs} is not a folder")
    from ivr.report.results import read_results  # takes a second: matplotlib
    from ivr.report.show import markdown, plot

    groups = read_results(runs, None if x is None else str(x))
    text = markdown(groups, x)
    write_text(runs / "report.md", text)
    log.info(text)
    if x is not None:
        picture = io.BytesIO()
        plot(groups, str(x)).savefig(picture, format="png")
        write_whole(runs / "report.png", lambda file: file.write(picture.getvalue()))
    log.info(f"written to {runs}")
    return text
