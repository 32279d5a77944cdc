"""Takes the policies of an offline run online: builds the parts, fits, and leaves the result."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.constructors import AlgorithmSpec, algorithm_class, option_types
from ivr.algos.online.from_policy import FromPolicy
from ivr.algos.online.remodel import Remodel
from ivr.config.doors import open_doors
from ivr.config.fields import check
from ivr.config.online import FinetuneConfig
from ivr.config.recorded import recorded_specs
from ivr.config.resumed import quoted
from ivr.config.transforms import build_transform
from ivr.data.dataset import OfflineDataset
from ivr.data.facts import basic_facts
from ivr.data.kinds import on_this_machine, within
from ivr.data.prepare import Prepared, clean_sample, prepare
from ivr.data.serving.replay import MixedDataModule, ReplayBuffer, Schedule
from ivr.errors import UserError
from ivr.evaluation.rollout import EnvironmentPool
from ivr.evaluation.task.build import Task, bounds_of, make_task
from ivr.online.callback import Online
from ivr.online.collect import Collector
from ivr.online.learner import as_learner
from ivr.training.checkpoints import load_policy, load_resumable
from ivr.training.doors import Doors
from ivr.training.fit import Plan, fit
from ivr.training.folder import check_free, owned
from ivr.training.hardware import compiler_wanted, keep_freed_memory, product_library
from ivr.training.members import Member
from ivr.training.precisions import LIBRARIES
from ivr.training.record import EVALUATION_SEED, RunRecord
from ivr.training.resume import checkpoint_to_resume, resume_from
from ivr.training.summary import divergence, next_steps, online_table, table
from ivr.types import Needs

log = logging.getLogger(__name__)

WARMUP_STEPS, WARMUP_EPISODES = 5000, 10
"""The smaller of the two is the default of warmup_steps."""

_INHERITED = ("observation_dim", "action_low", "action_high", "seeds", "discount", "hidden")
"""Keywords that an algorithm online takes from the offline one; _SHARED where both have them."""
_SHARED = ("alpha", "input_mean", "input_scale")


def run(
    composed: DictConfig, folder: Path, overrides: list[str], begin: Callable[[], None]
) -> float | None:
    """Train online as configured; returns the mean score of the last evaluation."""
    result = finetune(composed, folder, overrides, begin)
    last = [member["last"] for member in result["members"]]
    found = [m["normalized_score"] or m["return_mean"] for m in last if m is not None]
    return sum(found) / len(found) if found else None


def finetune(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train online as configured; returns the contents of result.json.

    Args:
        composed: the configuration.
        folder: of the run.
        overrides: that the configuration was composed with; a resumed run repeats them.
        begin: called before the first update: until then nothing in the folder has changed.

    Raises:
        UserError: for whatever the person at the keyboard can mend.
    """
    config = FinetuneConfig.parse(composed)
    resumed_from = checkpoint_to_resume(config.resume, folder)
    check_free(folder, resumed_from)
    with owned(folder):
        check_free(folder, resumed_from)  # its owner may have ended meanwhile
        doors = open_doors(composed, folder)
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
    policy: OfflineAlgorithm | None = None
    if resumed_from is not None:
        description = load_resumable(resumed_from)["ivr"]
    elif config.checkpoint is None:
        raise UserError("checkpoint is missing: resume=auto found nothing to resume")
    else:
        policy, content = load_policy(Path(config.checkpoint), config.trusted_class)
        description = content["ivr"]
    data, task = _data_and_task(description)
    dataset = data.training
    members = [Member(*pair) for pair in description["members"]]
    log.info(f"{len(members)} members on {task.environment}, data: {dataset.info.source}")
    spec, arguments = _algorithm(config, description, dataset, policy)
    offline_updates = _offline_updates(config)
    schedule = _schedule(config, task, offline_updates)
    arguments["num_updates"] = schedule.num_updates
    algorithm = spec.build(arguments)
    if policy is not None:
        _begin_with(algorithm, policy, str(config.online["name"]))
    algorithm.compile_updates = compiler_wanted(config.compile, schedule.num_updates, config.device)
    library, rule = product_library(config.float32_products, config.device)
    node = {"name": spec.name, **spec.options, "schedule": dataclasses.asdict(schedule)}
    node["schedule"]["offline_share"] = list(schedule.offline_share)
    record = RunRecord(
        algorithm=spec,
        arguments=arguments,
        config=description["config"]
        | {
            "algo": node,
            "batch_size": config.batch_size,
            "precision": config.precision,
            "num_updates": schedule.num_updates,
            "device": config.device,
        },
        overrides=overrides,
        members=members,
        dataset=description["dataset"],
        clean_fingerprint=data.clean.info.fingerprint,
        evaluation={**task.describe(), "seed": EVALUATION_SEED},
        float32_products=LIBRARIES[library],
        float32_products_rule=rule,
        online={"checkpoint": config.checkpoint, **node["schedule"], "brake": config.brake},
        certificate=description.get("certificate"),
    )
    if resumed_from is not None:
        record = resume_from(resumed_from, record, algorithm, schedule.num_updates)
    torch.set_float32_matmul_precision(record.float32_products)
    labels = [member.label for member in members]
    buffer = ReplayBuffer(
        len(members),
        config.replay_capacity or config.num_steps,
        dataset.observation_dim,
        dataset.action_dim,
        config.device,
    )
    collector = Collector(
        EnvironmentPool(task),
        buffer,
        as_learner(algorithm),
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
        num_updates=schedule.num_updates,
        eval_every=config.eval_every * each,
        eval_episodes=config.eval_episodes,
        eval_seed=EVALUATION_SEED,
        eval_errors=config.eval_errors,
        checkpoint_every=config.checkpoint_every * each,
        log_every=config.log_every * each,
        device=config.device,
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
        needs=spec.type.needs(spec.options),
    )
    online = Online(
        collector,
        schedule,
        spread=_spread(task, dataset),
        brake=config.brake and isinstance(algorithm, Remodel),
        labels=labels,
        every=plan.log_every,
    )
    if config.device == "cpu":
        keep_freed_memory()
    begin()
    clean = clean_sample(data.clean, Needs(), config.device)
    result = fit(plan, algorithm, datamodule, task, dataset.observations, clean, doors, online)
    log.info(table(result))
    log.info(online_table(result))
    log.info(next_steps(folder, quoted, "finetune.py"))
    if result["status"] == "interrupted":
        raise SystemExit(130)
    diverged = divergence(result)
    if diverged is not None:
        raise UserError(diverged)
    return result


def _data_and_task(description: dict[str, Any]) -> tuple[Prepared, Task]:
    """What the offline run was trained on, and the environment that it was evaluated in.

    Raises:
        UserError: they are not available, or not what they were.
    """
    data_spec, task_spec = recorded_specs(description)
    if not on_this_machine(data_spec):
        raise UserError(
            f"the data of the checkpoint, dataset={data_spec.name}, are not on this machine. A "
            "checkpoint may come from anywhere, so nothing is fetched or made for it: "
            f"python inspect_data.py dataset={data_spec.name} does"
        )
    recorded = description["config"]
    groups = {
        group: build_transform(group, recorded.get(group) or {"name": "none"})
        for group in ("noise", "subset")
    }
    data_spec = within(data_spec, lambda: bounds_of(task_spec))
    data = prepare(data_spec, groups["noise"], groups["subset"])
    info, known = data.training.info, description["dataset"]
    if info.fingerprint != known["fingerprint"]:
        raise UserError(
            f"the data have changed: dataset={info.name} has the fingerprint {info.fingerprint}, "
            f"the checkpoint was trained on {known['fingerprint']}"
        )
    task = make_task(task_spec, basic_facts(data.training), info.env_spec)
    if task is None:
        raise UserError("this run names no environment, so there is nowhere to go online")
    return data, task


def _algorithm(
    config: FinetuneConfig,
    description: dict[str, Any],
    dataset: OfflineDataset,
    policy: OfflineAlgorithm | None,
) -> tuple[AlgorithmSpec, dict[str, Any]]:
    """The algorithm online and its constructor's keywords, but for num_updates.

    Args:
        config: of the run.
        description: of the offline run or, where `policy` is None, of the resumed one.
        dataset: the offline data.
        policy: the offline algorithm, None for a run that is resumed.

    Raises:
        UserError: an option is unknown or of another type.
    """
    name, given = str(config.online["name"]), dict(config.online)
    options = {key: value for key, value in given.items() if key not in ("name", "class")}
    old = description["arguments"]
    continued = given.get("class") is None
    if continued:
        found = (
            type(policy)
            if policy is not None
            else algorithm_class(
                description["class"], trusted=description["class"] == config.trusted_class
            )
        )
        options = {k: old[k] for k in option_types(found) if k in old}
        if "actor_lr_cosine" in options:
            options["actor_lr_cosine"] = False
        if found.needs({**options, "discount": old.get("discount", 0.99)}) != Needs():
            raise UserError(
                f"online={name}: {found.__name__} asks for more of the data than transitions, and "
                "what is collected has no more. Choose another one, as in online=remodel"
            )
        return AlgorithmSpec(name, found, options, "online"), {**old, **options}
    cls = algorithm_class(given["class"])
    check("online", options, option_types(cls), f"{name} has no option", options)
    spec = AlgorithmSpec(name, cls, options, "online")
    if policy is None:
        return spec, {**old, **options}
    arguments = {key: old[key] for key in _INHERITED if key in old and spec.takes(key)}
    arguments |= {key: old[key] for key in _SHARED if key in old and spec.takes(key)}
    if spec.takes("reward_range"):
        rewards = dataset.rewards
        arguments["reward_range"] = [float(rewards.min()), float(rewards.max())]
    return spec, {**arguments, **options}


def _begin_with(algorithm: OfflineAlgorithm, policy: OfflineAlgorithm, name: str) -> None:
    try:
        if isinstance(algorithm, FromPolicy):
            algorithm.begin_with(policy)
        elif type(algorithm) is type(policy):
            algorithm.load_state_dict(policy.state_dict())
    except (ValueError, RuntimeError) as error:
        raise UserError(f"online={name} cannot start from this checkpoint: {error}") from error


def _offline_updates(config: FinetuneConfig) -> int:
    """Updates before the first step.

    Raises:
        UserError: they do not end with a block.
    """
    node = config.online
    count = int(node.get("evaluation_updates", 0))
    if node.get("remodel") == "fqe_align":
        count += int(node["alignment_updates"])
    block = config.collect_every * config.updates_per_step
    if count % block:
        raise UserError(
            f"online.evaluation_updates + online.alignment_updates = {count}: must be a multiple "
            f"of collect_every x updates_per_step, which is {block}"
        )
    return count


def _schedule(config: FinetuneConfig, task: Task, offline_updates: int) -> Schedule:
    block, limit = config.collect_every, task.max_episode_steps
    warmup = config.warmup_steps
    if warmup is None:
        warmup = min(WARMUP_STEPS, WARMUP_EPISODES * limit) // block * block
    if config.num_steps <= warmup:
        raise UserError(
            f"num_steps={config.num_steps}: must be more than warmup_steps, which is {warmup}"
        )
    capacity = config.replay_capacity
    if capacity is not None and capacity < limit + block:
        raise UserError(
            f"replay_capacity={capacity}: must be at least {limit + block}, the time limit of an "
            "episode and collect_every: a run that is resumed takes an episode's steps again"
        )
    return Schedule(
        offline_updates=offline_updates,
        warmup_steps=warmup,
        num_steps=config.num_steps,
        block=block,
        updates_per_step=config.updates_per_step,
        offline_share=config.offline_share,
    )


def _spread(task: Task, dataset: OfflineDataset) -> float:
    """The range of returns that losses of return are measured by."""
    if task.metric == "success":
        return 1.0
    if task.reference is not None:
        return task.reference[1] - task.reference[0]
    spread = float(dataset.episode_returns.max() - dataset.episode_returns.min())
    return spread or 1.0
