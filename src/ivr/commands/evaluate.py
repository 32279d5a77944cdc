"""Scores a checkpoint again, and draws what its policies do."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.commands.train import build_task
from ivr.config.schema import EvaluateConfig
from ivr.data.load import load_dataset
from ivr.errors import UserError
from ivr.evaluation.pictures import maze_picture, value_map
from ivr.evaluation.rollout import EnvironmentPool, Evaluation, evaluate
from ivr.evaluation.task.build import Task
from ivr.evaluation.video import write_video
from ivr.files import write_text, write_whole
from ivr.training.checkpoints import load_policy
from ivr.training.members import Member
from ivr.training.scoring.scores import describe, scores

log = logging.getLogger(__name__)


def run_evaluation(composed: DictConfig, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Evaluate as configured; returns the contents of scores.json.

    Raises:
        UserError: for a checkpoint that cannot be used, or a run without an environment.
    """
    config = EvaluateConfig.parse(composed)
    policy, content = load_policy(Path(config.checkpoint))
    policy = policy.to(config.device)
    description = content["ivr"]
    task = _task(description, config.env)
    members = [Member(*pair) for pair in description["members"]]
    with EnvironmentPool(task) as pool:
        outcome = evaluate(
            pool,
            policy,
            members=len(members),
            episodes=config.episodes,
            seed=config.seed,
            device=config.device,
            record_paths=True,
        )
    updates = content.get("updates") or [content["updates_done"]] * len(members)
    result = {
        "checkpoint": config.checkpoint,
        "dataset_source": description["dataset"]["source"],
        "evaluation": {**task.describe(), "seed": config.seed},
        "members": [
            {"seed": member.seed, "alpha": member.alpha, "update": update, **score}
            for member, update, score in zip(members, updates, scores(outcome), strict=True)
        ],
    }
    write_text(folder / "scores.json", json.dumps(result, indent=2) + "\n")
    log.info(f"{task.environment}\ndata: {description['dataset']['source']}")
    for member, record in zip(members, result["members"], strict=True):
        log.info(f"{member.label}, update {record['update']}: {describe(record)}")
    if outcome.paths is not None:
        _draw(folder, task, policy, members, outcome, description)
    if config.video:
        best = int(outcome.score.argmax())
        write_video(
            folder / "rollout.gif",
            task,
            policy,
            member=best,
            members=len(members),
            seed=config.seed,
            device=config.device,
        )
    log.info(f"written to {folder}")
    return result


def _task(description: dict[str, Any], env: str | None) -> Task:
    config = description["config"]["dataset"]
    if env is not None:
        config = {**config, "env": env}
    elif ":" in str(config["env"]):
        raise UserError(
            f"the checkpoint's environment {config['env']} would import a module. "
            f"If you trust it, say so: env={config['env']}"
        )
    task = build_task(config, description["dataset"])
    if task is None:
        raise UserError("this run names no environment, so there is nothing to evaluate it in")
    return task


def _draw(
    folder: Path,
    task: Task,
    policy: OfflineAlgorithm,
    members: list[Member],
    outcome: Evaluation,
    description: dict[str, Any],
) -> None:
    """One picture for each member: the maze, V where the data are at hand, the trajectories."""
    assert task.maze is not None and outcome.paths is not None and outcome.successes is not None
    observations = _observations(description)
    for k, (member, score) in enumerate(zip(members, scores(outcome), strict=True)):
        values = None
        if observations is not None:
            values = value_map(policy, k, len(members), observations, task.maze, policy.device)
        picture = maze_picture(
            task.maze,
            outcome.paths[k],
            outcome.successes[k],
            values,
            f"{task.name}, {member.label}: {describe(score)}",
        )
        image = Image.fromarray(picture)
        write_whole(folder / f"maze_{member.label}.png", partial(image.save, format="png"))


def _observations(description: dict[str, Any]) -> Tensor | None:
    try:
        return load_dataset(**description["config"]["dataset"]).observations
    except UserError as error:
        log.info(f"no value map: the data are not at hand ({error})")
        return None
