"""Takes the policies of an offline run online: builds the parts, fits, and leaves the result."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from ivr.algos.online.remodel import Remodel
from ivr.config.doors import open_doors
from ivr.config.online.algorithm import online_algorithm, recorded_discount
from ivr.config.online.origin import find_origin
from ivr.config.online.spec import FinetuneConfig, check_longer, schedule_of
from ivr.config.resumed import quoted, to_repeat
from ivr.data.prepare import clean_sample
from ivr.data.serving.replay import MixedDataModule, ReplayBuffer
from ivr.evaluation.rollout import EnvironmentPool
from ivr.online.callback import Online
from ivr.online.collect import Collector
from ivr.online.learner import as_learner
from ivr.online.visited import draw_visited
from ivr.training.doors import Doors
from ivr.training.fit import Plan, fit
from ivr.training.hardware import compiler_wanted, keep_freed_memory, product_library
from ivr.training.optimized import DEFAULT, score_of
from ivr.training.precisions import LIBRARIES
from ivr.training.record import EVALUATION_SEED, RunRecord
from ivr.training.resume import resumable, resume_from
from ivr.training.summary import conclude, next_steps, online_table, table
from ivr.types import Needs

log = logging.getLogger(__name__)


def run(
    composed: DictConfig, folder: Path, overrides: list[str], begin: Callable[[], None]
) -> float | None:
    """Train online as configured; returns the mean score of the last evaluation."""
    result = finetune(composed, folder, overrides, begin)
    last = [member["last"] for member in result["members"]]
    found = [score_of(scores, DEFAULT) for scores in last if scores is not None]
    return sum(found) / len(found) if found else None


def finetune(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    begin: Callable[[], None] = lambda: None,
    callbacks: Sequence[pl.Callback] = (),
) -> dict[str, Any]:
    """Train online as configured; returns the contents of result.json.

    Args:
        composed: the configuration.
        folder: of the run.
        overrides: that the configuration was composed with; a resumed run repeats them.
        begin: called before the first update: until then nothing in the folder has changed.
        callbacks: of Lightning, besides those that are configured.

    Raises:
        UserError: for whatever the person at the keyboard can mend.
    """
    config = FinetuneConfig.parse(composed)
    with resumable(folder, config.resume) as resumed_from:
        doors = open_doors(composed, folder, callbacks)
        return _finetune(config, doors, folder, overrides, resumed_from, begin)


def _finetune(
    config: FinetuneConfig,
    doors: Doors,
    folder: Path,
    overrides: list[str],
    resumed_from: Path | None,
    begin: Callable[[], None],
) -> dict[str, Any]:
    log.info(f"run folder: {folder}")
    origin = find_origin(config, resumed_from)
    dataset, task, members = origin.data.training, origin.task, origin.members
    log.info(f"{len(members)} members on {task.environment}, data: {dataset.info.source}")
    schedule = schedule_of(config, task.max_episode_steps)
    check_longer(config, schedule, origin.updates_done)
    spec, arguments, algorithm = online_algorithm(config, origin, schedule.num_updates)
    algorithm.compile_updates = compiler_wanted(config.compile, schedule.num_updates, config.device)
    library, rule = product_library(config.float32_products, config.device)
    brake = config.brake and issubclass(spec.type, Remodel)
    if brake and schedule.warmup_steps < 2 * task.max_episode_steps:
        log.warning(
            f"warmup_steps={schedule.warmup_steps}: episodes have up to {task.max_episode_steps} "
            "steps, and where fewer than two end in the warm-up there is no J0: no brake, no regret"
        )
    node = {"name": spec.name, **spec.options, "schedule": dataclasses.asdict(schedule)}
    node |= {"brake": brake, "start": origin.start}
    node["schedule"]["offline_share"] = list(schedule.offline_share)
    online = {"checkpoint": config.checkpoint, **node["schedule"], "brake": brake}
    online |= {"start": origin.start, "replay_capacity": config.replay_capacity}
    del node["schedule"]["num_steps"]  # a run that is resumed may be made longer
    record = RunRecord(
        algorithm=spec,
        arguments=arguments,
        config={"split": 0.0, "split_seed": 0, "best_by": "auto"}  # earlier checkpoints name none
        | dict(origin.description["config"])
        | {
            "algo": node,
            "batch_size": config.batch_size,
            "precision": config.precision,
            "num_updates": schedule.num_updates,
            "device": config.device,
        },
        overrides=overrides,
        members=members,
        dataset=origin.description["dataset"],
        clean_fingerprint=origin.data.clean.info.fingerprint,
        evaluation={**task.describe(), "seed": EVALUATION_SEED},
        float32_products=LIBRARIES[library],
        float32_products_rule=rule,
        online=online,
        certificate=origin.description.get("certificate"),
    )
    if resumed_from is not None:
        record = resume_from(resumed_from, record, algorithm, schedule.num_updates, "num_steps")
    torch.set_float32_matmul_precision(record.float32_products)
    needs = spec.type.needs({"discount": recorded_discount(origin), **spec.options})
    labels = [member.label for member in members]
    buffer = ReplayBuffer(
        len(members),
        config.replay_capacity or config.num_steps,
        dataset.observation_dim,
        dataset.action_dim,
        config.device,
        needs.return_discount,
    )
    collector = Collector(
        EnvironmentPool(task),
        buffer,
        as_learner(algorithm, recorded_discount(origin)),
        schedule,
        seeds=[member.seed for member in members],
        labels=labels,
        reward_scale=dataset.info.reward_scale,
        reward_shift=dataset.info.reward_shift,
    )
    each = config.updates_per_step
    plan = Plan(
        folder=folder,
        record=record,
        reward_scale=dataset.info.reward_scale,
        reward_shift=dataset.info.reward_shift,
        num_updates=schedule.num_updates,
        until=schedule.num_updates,
        eval_every=config.eval_every * each,
        eval_episodes=config.eval_episodes,
        eval_seed=EVALUATION_SEED,
        eval_errors=config.eval_errors,
        checkpoint_every=config.checkpoint_every * each,
        log_every=config.log_every * each,
        device=config.device,
        best_by="auto",
        precision=config.precision,
        resumed_from=resumed_from,
    )
    datamodule = MixedDataModule(
        dataset.to(config.device),
        schedule,
        buffer,
        collector.collect,
        seeds=[member.seed for member in members],
        batch_size=config.batch_size,
        chunk=max(1, min(50, 512 // len(members))),
        boundaries=(
            plan.eval_every,
            plan.checkpoint_every,
            plan.log_every,
            schedule.block_updates,
            *doors.boundaries,
        ),
        epoch=plan.eval_every,
        needs=needs,
    )
    callback = Online(
        collector,
        schedule,
        spread=origin.spread,
        brake=brake,
        labels=labels,
        every=plan.log_every,
        folder=folder,
    )
    if config.device == "cpu":
        keep_freed_memory()
    begin()
    clean = clean_sample(origin.data.clean, Needs(), config.device)
    result = fit(plan, algorithm, datamodule, task, dataset.observations, clean, doors, callback)
    if result["status"] == "finished" and task.walked_maze is not None:
        draw_visited(folder, task.walked_maze, collector)
    log.info(table(result))
    log.info(online_table(result))
    log.info(next_steps(folder, quoted, "finetune", to_repeat(overrides)))
    conclude(result)
    return result
