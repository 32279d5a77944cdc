"""Makes every table and figure of the paper's deck, and decides its claims."""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ivr.config.fields import fits
from ivr.errors import UserError, counted, nearest
from ivr.paper.deck import PARTS
from ivr.paper.plan import steps
from ivr.paper.running import missing, run_all
from ivr.programs import command

log = logging.getLogger(__name__)


def run(composed: DictConfig, folder: Path, overrides: Sequence[str]) -> str:
    """Run what is left of a scale, and write its page.

    Returns:
        the page as Markdown.

    Raises:
        UserError: for an option that cannot be.
        SystemExit: commands of the plan failed; the page is written all the same.
    """
    options: Any = OmegaConf.to_container(composed, resolve=True)
    _check(options)
    scale = options["scale"]
    runs = Path(str(options["folder"] or Path("outputs", "paper", scale["name"])))
    plan = steps(scale, runs, options["parts"])
    more = [*options["options"], f"failed={options['failed']}"]
    failed = run_all(plan, more) if options["train"] else {}
    from ivr.paper.writing import write  # takes seconds: matplotlib, SciPy

    words = " ".join(map(shlex.quote, overrides))
    place = f"Results below {runs}, by {command('paper', lasting=True)} {words}"
    text = write(runs, options, missing(plan, failed), place, index=options["folder"] is None)
    log.info(f"written: {runs / 'index.html'}, index.md, and tables and figures in index/")
    if failed:
        raise SystemExit(f"Error: {counted(len(failed), 'command')} failed: the page says why")
    return text


def _check(options: dict[str, Any]) -> None:
    """Refuse what cannot be, before anything is run."""
    if not isinstance(options["train"], bool):
        raise UserError(f"train={options['train']}: true or false")
    if options["failed"] not in ("skip", "retry"):
        raise UserError(f"failed={options['failed']}: must be skip or retry")
    for key in ("parts", "options"):
        if not fits(options[key], Sequence[str]):
            raise UserError(f"{key}={options[key]}: must be a list of words")
    for part in options["parts"]:
        if part not in PARTS:
            raise UserError(f"parts={options['parts']}: {part} is unknown{nearest(part, PARTS)}")
    for key in ("shares", "keeps"):
        value = options[key]
        if key == "keeps" and value is None:
            continue
        if not fits(value, Sequence[float]) or len(value) != 2:
            raise UserError(f"{key}={value}: must be two shares, as in [0.1,1.0]")
    if not fits(options["tolerance"], float) or options["tolerance"] < 0:
        raise UserError(f"tolerance={options['tolerance']}: must be points from 0")
