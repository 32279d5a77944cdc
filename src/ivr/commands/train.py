"""One training: build the parts from a configuration, fit, and leave the result."""

import dataclasses
import logging
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from ivr.certificate import ADVICE, Certificate, certify
from ivr.config.doors import open_doors
from ivr.config.resumed import quoted, to_repeat
from ivr.config.schema import TrainConfig
from ivr.data.dataset import OfflineDataset
from ivr.data.facts import basic_facts, gather_facts
from ivr.data.opening import within
from ivr.data.prepare import Prepared, clean_sample, prepare, time_limits
from ivr.data.remarks import remarks
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.held_out import held_out_batches
from ivr.evaluation.task.build import RecordedEnvironmentError, Task, bounds_of, make_task
from ivr.files import write_json
from ivr.training.checkpoints import load_resumable
from ivr.training.doors import Doors
from ivr.training.fit import Plan, fit
from ivr.training.halving import going_on, halve, stopped_members
from ivr.training.hardware import (
    compiler_wanted,
    keep_freed_memory,
    product_library,
)
from ivr.training.members import combinations
from ivr.training.optimized import LastMetrics, check_metric, check_ranked, optimized
from ivr.training.precisions import LIBRARIES
from ivr.training.record import EVALUATION_SEED, RunRecord
from ivr.training.resume import resumable, resume_from
from ivr.training.rungs import RANKED
from ivr.training.saturation import at_bounds
from ivr.training.scoring.held_out import HeldOut, check_best_by
from ivr.training.summary import conclude, next_steps, table

log = logging.getLogger(__name__)


def run(
    composed: DictConfig, folder: Path, overrides: list[str], begin: Callable[[], None]
) -> float | None:
    """Train as configured; returns what a sweeper optimizes: see `optimized`."""
    name, last = composed.optimized_metric, LastMetrics()
    result = train(composed, folder, overrides, [last], begin)
    if name == RANKED:
        checkpoint = folder / "checkpoints" / "last.ckpt"
        algorithm = str(composed.algo["class"])
        from ivr.commands.rank import lower_bounds

        return statistics.fmean(lower_bounds(checkpoint, folder / "ranking", algorithm, {}))
    return optimized(result, None if name is None else str(name), last.values)


def train(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    callbacks: Sequence[pl.Callback] = (),
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train as configured; returns the contents of result.json.

    Args:
        composed: the configuration.
        folder: of the run.
        overrides: that the configuration was composed with; a resumed run repeats them.
        callbacks: of Lightning, besides those that are configured.
        begin: called before the first update: until then nothing in the folder has changed.

    Raises:
        UserError: for whatever the person at the keyboard can mend.
    """
    config = TrainConfig.parse(composed)
    with resumable(folder, config.resume) as resumed_from:
        doors = open_doors(composed, folder, callbacks)
        return _train(config, doors, folder, overrides, resumed_from, begin)


def _train(
    config: TrainConfig,
    doors: Doors,
    folder: Path,
    overrides: list[str],
    resumed_from: Path | None,
    begin: Callable[[], None],
) -> dict[str, Any]:
    log.info(f"run folder: {folder}")
    spec = within(config.data, lambda: bounds_of(config.task))
    data = prepare(spec, config.noise, config.subset, config.held_out)
    dataset = data.training
    info = dataset.info
    log.info(f"{info.name}: {info.transitions:,} transitions, {info.episodes:,} episodes")
    log.info(f"  from {info.source}, fingerprint {info.fingerprint}")
    if info.entries:
        log.info(f"  observations join {', '.join(info.entries)}, in this order")
    if info.split is not None:
        log.info(
            f"  held out: {info.split['episodes']:,} of {info.split['of_episodes']:,} episodes "
            f"({info.split['transitions']:,} transitions), split={config.split}"
        )
    task = _task(config, dataset)
    if task is not None and task.way is not None:
        log.info(f"  evaluated {task.way}")
    said = time_limits(data.clean, None if task is None else task.max_episode_steps)
    if said is not None:
        log.warning(said)
    for said in remarks(dataset, config.normalize is not None):
        log.warning(said)
    certificate = None if task is None else certify(spec, task)
    _check_measures(config, evaluated=task is not None, in_pieces=info.in_pieces)
    result: dict[str, Any] = {"status": "running"}
    while result["status"] == "running":  # from rung to rung, where there are any
        if config.halving is not None and resumed_from is not None:
            from ivr.commands.rank import lower_bounds

            algorithm, options = config.plain["algo"]["class"], config.halving.rank
            ranked = partial(lower_bounds, algorithm=algorithm, options=options)
            try:
                resumed_from = halve(config.halving, resumed_from, folder, ranked)
            except SystemExit:  # Ctrl-C while it ranked
                if "members" in result:
                    write_json(folder / "result.json", {**result, "status": "interrupted"})
                raise
        result = _fit(
            config, doors, folder, overrides, data, task, certificate, resumed_from, begin
        )
        resumed_from = folder / "checkpoints" / "last.ckpt"
    log.info(table(result))
    log.info(next_steps(folder, quoted, repeated=to_repeat(overrides), evaluated=bool(task)))
    conclude(result)
    return result


def _check_measures(config: TrainConfig, *, evaluated: bool, in_pieces: bool) -> None:
    """Check what is optimized, what members are halved by, and what best.ckpt follows."""
    split, halving = config.split > 0, config.halving
    check_metric(config.optimized_metric, evaluated, split)
    check_best_by(config.best_by, evaluated=evaluated, split=split)
    if halving is not None:
        halving.check(evaluated, split)
        if halving.next_rung(0, config.num_updates) is None:
            log.warning(
                f"halving.first={halving.first}: the run ends after "
                f"num_updates={config.num_updates}, before any member is stopped"
            )
    measures = {"optimized_metric": config.optimized_metric, "halving.by": halving and halving.by}
    for option, measure in measures.items():
        if measure == RANKED:
            check_ranked(option, config.algorithm.type, config.discount, in_pieces)


def _fit(
    config: TrainConfig,
    doors: Doors,
    folder: Path,
    overrides: list[str],
    data: Prepared,
    task: Task | None,
    certificate: Certificate | None,
    resumed_from: Path | None,
    begin: Callable[[], None],
) -> dict[str, Any]:
    """Train the members that go on, until the next rung or the end."""
    dataset = data.training
    info = dataset.info
    stopped = stopped_members(resumed_from)
    members = going_on(combinations(config.seed, config.alpha or [None]), stopped)
    datamodule = TransitionDataModule(
        dataset.to(config.device),
        seeds=[member.seed for member in members],
        batch_size=config.batch_size,
        num_updates=config.num_updates,
        # Long enough that a turn of Lightning's loop does not show, short enough for memory.
        chunk=max(1, min(50, 512 // len(members))),
        boundaries=(
            config.eval_every,
            config.checkpoint_every,
            config.log_every,
            *doors.boundaries,
        ),
        epoch=config.eval_every,
        needs=config.algorithm.needs(config.discount),
    )
    arguments = config.algorithm.arguments(
        gather_facts(datamodule, config.algorithm.facts, config.normalize),
        seeds=[member.seed for member in members],
        alpha=config.alpha and [member.alpha for member in members],
        discount=config.discount,
        num_updates=config.num_updates,
    )
    algorithm = config.algorithm.build(arguments)
    algorithm.compile_updates = compiler_wanted(config.compile, config.num_updates, config.device)
    library, rule = product_library(config.float32_products, config.device)
    record = RunRecord(
        algorithm=config.algorithm,
        arguments=arguments,
        config=config.plain,
        overrides=overrides,
        members=members,
        stopped=stopped,
        dataset=dataclasses.asdict(info) | {"observation_dim": dataset.observation_dim},
        clean_fingerprint=data.clean.info.fingerprint,
        evaluation=None if task is None else {**task.describe(), "seed": EVALUATION_SEED},
        certificate=None if certificate is None else certificate.describe(),
        float32_products=LIBRARIES[library],
        float32_products_rule=rule,
    )
    if certificate is not None:
        if certificate.status == "differs":
            log.warning(f"  replay {certificate.in_words}. {ADVICE}")
        else:
            log.info(f"  replay {certificate.in_words}")
    for group, done in record.transforms().items():
        if done["name"] != "none":
            cure = "; normalize=none leaves observations raw" if group == "normalize" else ""
            said = ", ".join(f"{key} {value}" for key, value in done.items())
            log.info(f"  {group}: {said}{cure}")
    if datamodule.num_selected < dataset.num_transitions:
        log.info(f"  {datamodule.num_selected:,} of them are learned from")
    if resumed_from is not None:
        record = resume_from(resumed_from, record, algorithm, config.num_updates)
    torch.set_float32_matmul_precision(record.float32_products)
    plan = Plan(
        folder=folder,
        record=record,
        reward_scale=info.reward_scale,
        reward_shift=info.reward_shift,
        num_updates=config.num_updates,
        until=_until(config, len(members), resumed_from),
        eval_every=config.eval_every,
        eval_episodes=config.eval_episodes,
        eval_seed=EVALUATION_SEED,
        eval_errors=config.eval_errors,
        checkpoint_every=config.checkpoint_every,
        log_every=config.log_every,
        device=config.device,
        best_by=config.best_by,
        precision=config.precision,
        resumed_from=resumed_from,
    )
    held_out = None
    if data.held_out is not None:
        batches = held_out_batches(data.held_out, datamodule)
        held_out = HeldOut(batches, info.reward_scale, data.held_out)
    clean = clean_sample(data.clean, datamodule.needs, config.device)
    if config.device == "cpu":
        keep_freed_memory()
    begin()
    observed = dataset.observations
    result = fit(plan, algorithm, datamodule, task, observed, clean, doors, held_out=held_out)
    for said in at_bounds(algorithm, clean, info.action_names, [m.label for m in members]):
        log.warning(said)
    return result


def _until(config: TrainConfig, members: int, resumed_from: Path | None) -> int:
    """The update of the next rung, or the last one."""
    done = 0 if resumed_from is None else load_resumable(resumed_from)["updates_done"]
    rung = config.halving and config.halving.next_rung(done, config.num_updates)
    return rung if rung and members > 1 else config.num_updates


def _task(config: TrainConfig, dataset: OfflineDataset) -> Task | None:
    info = dataset.info
    try:
        task = make_task(config.task, basic_facts(dataset), info.env_spec, info.requirements)
    except RecordedEnvironmentError as error:
        log.warning(f"no evaluation: {error}")
        return None
    if task is None:
        log.info("no evaluation: neither the data nor dataset.env name an environment")
    return task
