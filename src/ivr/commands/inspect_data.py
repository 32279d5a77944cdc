"""Looks a dataset over before anything is trained on it: defects, figures, a page to look at."""

import json
import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ivr.agreement.views import check_view
from ivr.agreement.walls import check_walls, recorded_walls
from ivr.commands.train import build_task
from ivr.config.schema import InspectConfig
from ivr.data.cache.rewards import RewardTransform
from ivr.data.load import named_maze
from ivr.data.open_source import open_source
from ivr.data.sources.source import Source
from ivr.errors import UserError
from ivr.files import write_text
from ivr.inspection.card import make_card
from ivr.inspection.findings import Findings, read_all
from ivr.inspection.page import page
from ivr.inspection.plots import plots
from ivr.inspection.tally import Tally
from ivr.inspection.text import card_text
from ivr.mazes import Maze

log = logging.getLogger(__name__)


def run_inspection(composed: DictConfig, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Inspect as configured; returns the contents of card.json.

    The checks are those that a conversion makes, and so the trainer, at its first reading of the
    data: it stops at the first defect, and here all of them are listed.

    Raises:
        UserError: for data with a defect, once everything is written, or that cannot be opened.
    """
    config = InspectConfig.parse(composed)
    dataset = config.dataset
    transform = RewardTransform(dataset["reward"], dataset["reward_scale"], dataset["reward_shift"])
    maze = named_maze(dataset["maze"], dataset["maze_scale"])
    source = open_source(
        dataset["source"],
        dataset["name"],
        dataset["id"],
        dataset["path"],
        transitions=dataset.get("transitions"),
        limit=dataset["max_episode_steps"],
        action_low=dataset.get("action_low"),
        action_high=dataset.get("action_high"),
        progress=True,
    )
    check_view(dataset["view"], set(source.boxes), source.is_dict)
    tally, findings = Tally(source, dataset["view"], maze), Findings(config.show)
    read_all(source, tally, findings, progress=True)
    environment = _environment(dataset, source, tally, maze, findings)
    card = {"dataset": dataset["name"], "environment": environment}
    card |= make_card(source, tally, transform, findings)
    log.info(card_text(card))
    write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")
    write_text(folder / "card.html", page(card, plots(card, tally)))
    log.info(f"\npage:    {folder / 'card.html'}\nfigures: {folder / 'card.json'}")
    if findings.total:
        raise UserError(
            f"{dataset['name']} has {findings.total:,} defects, listed above and in "
            f"{folder / 'card.html'}"
        )
    return card


def _environment(
    dataset: dict[str, Any], source: Source, tally: Tally, maze: Maze | None, findings: Findings
) -> str | None:
    """The evaluation's environment, whose spaces and walls fit the data; None without one."""
    try:
        if maze is not None:
            check_walls(recorded_walls(source.env_spec), maze, dataset["maze"])
        if tally.observations is None:
            return None
        facts = {
            "env_spec": source.env_spec,
            "observation_dim": len(tally.observations.mean),
            "action_low": source.action_low.tolist(),
            "action_high": source.action_high.tolist(),
        }
        task = build_task(dataset, facts)
    except UserError as error:
        findings.misfit(source.id, error)
        return None
    return None if task is None else task.environment
