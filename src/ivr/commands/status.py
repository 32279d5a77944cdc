"""Says how a sweep stands: jobs that are done, running, failed and left, and when it will end."""

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ivr.errors import UserError
from ivr.sweeps.index import read_sweep
from ivr.sweeps.show import status_line, summary

log = logging.getLogger(__name__)


def run(composed: DictConfig, folder: Path, overrides: list[str]) -> str:
    """Print a row for each job, why jobs failed, and one line; returns that line.

    Raises:
        UserError: for a folder that holds no sweep.
    """
    if OmegaConf.is_missing(composed, "folder"):
        raise UserError("folder is missing: give a sweep's, as in folder=outputs/sweeps/night")
    sweep = Path(str(composed.folder))
    jobs = read_sweep(sweep)
    log.info(summary(sweep, jobs))
    line = status_line(sweep.absolute().name, jobs)
    log.info(line)
    return line
