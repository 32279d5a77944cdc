"""Scores a checkpoint again, and draws what its policies do."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.config.options import EvaluateConfig
from ivr.config.recorded import (
    named_env,
    recorded_data,
    recorded_observations,
    recorded_specs,
)
from ivr.config.values import device as available
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.held_out import held_out_batches
from ivr.errors import UserError
from ivr.evaluation.pictures import maze_picture, value_map
from ivr.evaluation.rollout import EnvironmentPool, Evaluation, evaluate
from ivr.evaluation.task.build import RecordedEnvironmentError, Task, make_task
from ivr.evaluation.video import write_video
from ivr.files import write_json, write_whole
from ivr.training.checkpoints import load_policy
from ivr.training.folder import refuse_training
from ivr.training.members import Member
from ivr.training.scoring.episodes import episodes
from ivr.training.scoring.held_out import HeldOut
from ivr.training.scoring.scores import describe, scores, without_score
from ivr.training.summary import held_out_table
from ivr.types import DataFacts

log = logging.getLogger(__name__)


def run(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Evaluate as configured; returns the contents of scores.json.

    It calls `begin` once the checkpoint is known to be usable. Where the run has no environment,
    the policies are measured on its held-out episodes instead, or on its data where there are none.

    Raises:
        UserError: for a checkpoint that cannot be used, or a run that has neither an environment
            nor data on this machine.
    """
    config = EvaluateConfig.parse(composed)
    refuse_training(folder)
    policy, content = load_policy(Path(config.checkpoint), config.trusted_class)
    device = available(config.device)
    policy = policy.to(device)
    description = content["ivr"]
    task = _task(description, config.env)
    members = [Member(*pair) for pair in description["members"]]
    updates = content.get("updates") or [content["updates_done"]] * len(members)
    if task is None:
        if config.video:
            log.warning("video=true: without an environment there is nothing to film")
        result = _without_environment(policy, description, updates, begin)
        result = {"checkpoint": config.checkpoint, **result}
        write_json(folder / "scores.json", result)
        log.info("\n".join(held_out_table(result)))
        log.info(f"written to {folder}")
        return result
    begin()
    with EnvironmentPool(task) as pool:
        outcome = evaluate(
            pool,
            policy,
            members=len(members),
            episodes=config.episodes,
            seed=config.seed,
            device=device,
            record_paths=True,
            labels=[member.label for member in members],
        )
    result = {
        "checkpoint": config.checkpoint,
        "dataset_source": description["dataset"]["source"],
        "evaluation": {**task.describe(), "seed": config.seed},
        "certificate": _certificate(description, config.env),
        "members": [
            {
                "seed": member.seed,
                "alpha": member.alpha,
                "update": update,
                **score,
                "each_episode": each,
            }
            for member, update, score, each in zip(
                members, updates, scores(outcome), episodes(outcome), strict=True
            )
        ],
    }
    write_json(folder / "scores.json", result)
    warning = without_score(outcome, [member.label for member in members])
    if warning is not None:
        log.warning(warning)
    log.info(f"{task.environment}\ndata: {description['dataset']['source']}")
    if task.way is not None:
        log.info(task.way)
    log.info(f"replay {result['certificate']['words']}")
    for member, record in zip(members, result["members"], strict=True):
        log.info(f"{member.label}, update {record['update']}: {describe(record)}")
    if outcome.paths is not None:
        _draw(folder, description, task, policy, members, outcome)
    if config.video:
        best = int(np.nan_to_num(outcome.score, nan=-np.inf).argmax())
        write_video(
            folder / "rollout.gif",
            task,
            policy,
            member=best,
            members=len(members),
            seed=config.seed,
            device=device,
        )
    log.info(f"written to {folder}")
    return result


def _without_environment(
    policy: OfflineAlgorithm,
    description: dict[str, Any],
    updates: list[int],
    begin: Callable[[], None],
) -> dict[str, Any]:
    """What there is of a run without an environment: measures on data, and no score.

    Raises:
        UserError: the data are not on this machine.
    """
    try:
        data, _ = recorded_data(description)
    except UserError as error:
        raise UserError(
            f"this run names no environment, so only its data are left to measure on, and {error}"
        ) from error
    begin()
    served = TransitionDataModule(
        data.training.to(policy.device),
        seeds=policy.seeds,
        batch_size=min(256, data.training.num_transitions),
        num_updates=1,
        chunk=1,
        needs=policy.needs(description["arguments"]),
    )
    measured_on = data.training if data.held_out is None else data.held_out
    batches = held_out_batches(measured_on, served)
    found = HeldOut(batches, data.training.info.reward_scale, measured_on).measure(policy)
    return {
        "dataset_source": description["dataset"]["source"],
        "evaluation": None,
        "split": description["dataset"].get("split"),
        "transitions": measured_on.num_transitions,
        "members": [
            {"seed": seed, "alpha": alpha, "held_out": {"last": {**one, "update": update}}}
            for (seed, alpha), one, update in zip(
                description["members"], found, updates, strict=True
            )
        ],
    }


def _task(description: dict[str, Any], env: str | None) -> Task | None:
    """The task of the run, in `env` where that is given; None where it has none."""
    _, spec = recorded_specs(description, env)
    known = description["dataset"]
    low, high = known["action_low"], known["action_high"]
    facts = DataFacts(known["observation_dim"], low, high, known.get("entries"))
    try:
        with named_env():
            task = make_task(spec, facts, known["env_spec"])
    except RecordedEnvironmentError as error:
        log.warning(f"no evaluation: {error}")
        return None
    if task is None:
        return None
    goal = known.get("goal")
    if task.maze is not None and goal and list(goal) != task.maze.centre(task.maze.goal).tolist():
        log.warning(
            f"it was trained for the goal at {tuple(goal)} (x, y), by an earlier version, which "
            f"ignored the cells that its data mark; it is evaluated {task.way}"
        )
    return task


def _certificate(description: dict[str, Any], env: str | None) -> dict[str, Any]:
    """The certificate of the run, which is of its own environment."""
    why = "this run was trained before there were certificates"
    if env is not None and env != description["config"]["dataset"].get("env"):
        why = f"env={env} is another environment than the run's"
    elif description.get("certificate"):
        return dict(description["certificate"])
    return {"status": "not certified", "words": f"not certified: {why}"}


def _draw(
    folder: Path,
    description: dict[str, Any],
    task: Task,
    policy: OfflineAlgorithm,
    members: list[Member],
    outcome: Evaluation,
) -> None:
    """One picture for each member: the maze, V where the data are available, the trajectories."""
    maze = task.walked_maze
    assert maze is not None and outcome.paths is not None and outcome.successes is not None
    observations = _observations(description)
    name = str(description["dataset"].get("name", task.name))
    for k, (member, score) in enumerate(zip(members, scores(outcome), strict=True)):
        values = None
        if observations is not None:
            values = value_map(policy, k, len(members), observations, maze, policy.device)
        picture = maze_picture(
            maze,
            outcome.paths[k],
            outcome.successes[k],
            values,
            f"{name}, {member.label}: {describe(score)}",
        )
        image = Image.fromarray(picture)
        write_whole(folder / f"maze_{member.label}.png", partial(image.save, format="png"))


def _observations(description: dict[str, Any]) -> Tensor | None:
    """Observations of the run's data; None where they are not here: nothing is fetched."""
    try:
        return recorded_observations(description)
    except UserError as error:
        log.info(f"no value map: {error}")
        return None
