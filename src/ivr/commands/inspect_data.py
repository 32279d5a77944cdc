"""Looks a dataset over before anything is trained on it: defects, figures, a page to look at."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ivr.agreement.views import check_view, flattened, left_out
from ivr.agreement.walls import check_walls, placed, recorded_walls
from ivr.certificate import ADVICE, certify
from ivr.config.options import InspectConfig
from ivr.data.cache.rewards import RewardTransform
from ivr.data.load import named_maze, requirements
from ivr.data.opening import open_source, within
from ivr.data.sources.source import Source
from ivr.data.spec import DataSpec
from ivr.errors import UserError, counted
from ivr.evaluation.task.build import RecordedEnvironmentError, Task, bounds_of, make_task
from ivr.evaluation.task.spec import TaskSpec, d4rl_maze
from ivr.files import write_json, write_text
from ivr.inspection.card import make_card
from ivr.inspection.findings import Findings, noted, read_all
from ivr.inspection.page import page
from ivr.inspection.plots import plots
from ivr.inspection.tally import Tally
from ivr.inspection.text import card_text
from ivr.mazes import Maze
from ivr.progress import shown
from ivr.types import DataFacts

log = logging.getLogger(__name__)


def run(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Inspect as configured; returns the contents of card.json.

    Raises:
        UserError: for data with a defect, once everything is written, or that cannot be opened.
    """
    card = inspect(composed, folder, overrides, begin)
    found = sum(kind["count"] for kind in card["defects"].values())
    if found:
        raise UserError(
            f"{composed.dataset.name} has {counted(found, 'defect')}, listed above and in "
            f"{folder / 'card.html'}"
        )
    return card


def inspect(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Inspect as configured; returns the contents of card.json, with every defect.

    It calls `begin` once the data can be opened.

    The checks are those that a conversion makes, and so the trainer, at its first reading of the
    data: it stops at the first defect, and here all of them are listed.

    Raises:
        UserError: for data that cannot be opened.
    """
    config = InspectConfig.parse(composed)
    spec, source = _opened(config)
    transform = RewardTransform(spec.reward, spec.reward_scale, spec.reward_shift)
    maze = named_maze(spec.maze, spec.maze_scale)
    with noted() as said:
        view = flattened(spec.view, list(source.boxes), source.is_dict)
    check_view(view, set(source.boxes), source.is_dict)
    cells = "D4RL's"
    if maze is not None:
        maze, cells = placed(maze, source.env_spec)
    begin()
    tally = Tally(source, view, maze or d4rl_maze(config.task.env), cells)
    findings = Findings(config.show)
    findings.warnings += said
    if source.is_dict and (others := left_out(view, [*source.boxes, *source.unread])):
        findings.warnings.append(others)
    read_all(source, tally, findings, progress=shown())
    task = _task(replace(config.task, view=view), source, tally, maze, findings)
    name = f"{spec.name} (as is)" if source.differs else spec.name
    certificate = None if task is None else certify(source, task)
    if certificate is not None and certificate.status == "differs":
        findings.warnings.append(f"the environment does not repeat the data, see replay: {ADVICE}")
    card: dict[str, Any] = {
        "dataset": name,
        "environment": task and task.environment,
        "certificate": certificate and certificate.describe(),
    }
    limit = None if task is None else task.max_episode_steps
    card |= make_card(source, tally, transform, findings, limit)
    log.info(card_text(card))
    write_json(folder / "card.json", card, indent=1)
    write_text(folder / "card.html", page(card, plots(card, tally)))
    log.info(f"\npage:    {folder / 'card.html'}\nfigures: {folder / 'card.json'}")
    return card


def _opened(config: InspectConfig) -> tuple[DataSpec, Source]:
    """Open the data, within the environment's bounds where they have none and these fit."""
    spec = within(config.data, lambda: bounds_of(config.task))
    try:
        return spec, open_source(spec)
    except UserError:
        if spec == config.data:
            raise
        return config.data, open_source(config.data)  # `_task` says what does not fit


def _task(
    spec: TaskSpec, source: Source, tally: Tally, maze: Maze | None, findings: Findings
) -> Task | None:
    """The evaluation's task, whose spaces and walls fit the data; None without one."""
    try:
        if maze is not None:
            check_walls(recorded_walls(source.env_spec), maze, str(spec.maze))
        if tally.observations is None:
            return None
        facts = DataFacts(
            len(tally.observations.mean), source.action_low.tolist(), source.action_high.tolist()
        )
        return make_task(spec, facts, source.env_spec, requirements(source.metadata))
    except RecordedEnvironmentError as error:
        findings.warnings.append(f"nothing can be evaluated: {error}")
        return None
    except UserError as error:
        findings.misfit(source.id, error)
        return None
