"""One training: build the parts from a configuration, fit, and leave the result."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from ivr.algos.engine.constructors import algorithm_class, algorithm_options, build_algorithm, takes
from ivr.config.doors import open_doors
from ivr.config.schema import TASK_KEYS, TrainConfig
from ivr.config.transforms import build
from ivr.data.dataset import DatasetInfo
from ivr.data.prepare import Prepared, clean_sample, prepare
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.errors import UserError
from ivr.evaluation.task.build import Task, make_task
from ivr.training.callbacks.result import git_commit, versions
from ivr.training.fit import Plan, fit
from ivr.training.hardware import (
    LIBRARIES,
    compiler_wanted,
    keep_freed_memory,
    library_of,
    product_library,
)
from ivr.training.members import Member, combinations
from ivr.training.resume import FIXED, go_on_from
from ivr.training.summary import next_steps, table

log = logging.getLogger(__name__)

EVALUATION_SEED = 1_000_000
"""Episodes are seeded from here on: far from the seeds that people train with."""


def train(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    callbacks: Sequence[pl.Callback] = (),
) -> dict[str, Any]:
    """Train as configured; returns the contents of result.json.

    Args:
        composed: the configuration.
        folder: of the run.
        overrides: the words that the configuration was composed with; a resumed run repeats them.
        callbacks: of Lightning, besides those that are configured.

    Raises:
        UserError: for whatever the person at the keyboard can mend.
    """
    config = TrainConfig.parse(composed)
    resumed_from = _checkpoint_to_resume(config, folder)

    if resumed_from is None and (folder / "checkpoints" / "last.ckpt").exists():
        raise UserError(
            f"hydra.run.dir={folder} holds a run already: resume=auto goes on with it, another "
            "folder starts a new one"
        )
    log.info(f"run folder: {folder}")
    doors = open_doors(composed, folder, callbacks)
    data = prepare(config.dataset, build("noise", config.noise), build("subset", config.subset))
    dataset = data.training
    info = dataset.info
    log.info(f"{info.name}: {info.transitions:,} transitions, {info.episodes:,} episodes")
    log.info(f"  from {info.source}, fingerprint {info.fingerprint}")
    for word, record in _transforms(config, info).items():
        if record["name"] != "none":
            log.info(f"  {word}: {', '.join(f'{key} {value}' for key, value in record.items())}")
    facts = dataclasses.asdict(info) | {"observation_dim": dataset.observation_dim}
    task = build_task(config.dataset, facts)
    members = combinations(config.seed, config.alpha or [None])
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
        needs=algorithm_class(config.algo).needs(
            algorithm_options(config.algo) | {"discount": config.discount}
        ),
    )
    if datamodule.num_selected < dataset.num_transitions:
        log.info(f"  {datamodule.num_selected:,} of them are learned from")
    arguments = _arguments(config, datamodule, members)
    algorithm = build_algorithm(config.algo, arguments)
    algorithm.compile_updates = compiler_wanted(config.compile, config.num_updates, config.device)
    library, rule = product_library(config.float32_products, config.device)
    description = {
        "class": config.algo["class"],
        "arguments": arguments,
        "config": _plain(config),
        "overrides": overrides,
        "members": [[member.seed, member.alpha] for member in members],
        "dataset": facts,
        "float32_products": LIBRARIES[library],
    }
    if resumed_from is not None:
        description |= go_on_from(resumed_from, description, algorithm, config.num_updates)
        rule = "as in the run that is resumed"
    products = description["float32_products"]
    torch.set_float32_matmul_precision(products)
    plan = Plan(
        folder=folder,
        members=members,
        description=description,
        facts=_facts(config, data, task)
        | {"float32_products": {"library": library_of(products), "rule": rule}},
        reward_scale=info.reward_scale,
        hyperparameters=_hyperparameters(config),
        num_updates=config.num_updates,
        eval_every=config.eval_every,
        eval_episodes=config.eval_episodes,
        eval_seed=EVALUATION_SEED,
        checkpoint_every=config.checkpoint_every,
        log_every=config.log_every,
        device=config.device,
        precision=config.precision,
        resumed_from=resumed_from,
    )
    if task is None:
        log.info("no evaluation: neither the data nor dataset.env name an environment")
    clean = clean_sample(data.clean, datamodule.needs, config.device)
    if config.device == "cpu":
        keep_freed_memory()
    result = fit(plan, algorithm, datamodule, task, dataset.observations, clean, doors)
    log.info(table(result))
    log.info(next_steps(folder))
    if result["status"] == "interrupted":
        raise SystemExit(130)
    return result


def build_task(config: dict[str, Any], facts: dict[str, Any]) -> Task | None:
    """The task that the data are evaluated on; None where there is no environment.

    Args:
        config: the dataset node of the configuration.
        facts: about the data, as checkpoints keep them.
    """
    return make_task(
        **{key: config[key] for key in TASK_KEYS},
        dataset_env_spec=facts["env_spec"],
        observation_dim=facts["observation_dim"],
        action_low=facts["action_low"],
        action_high=facts["action_high"],
    )


def _arguments(
    config: TrainConfig, datamodule: TransitionDataModule, members: list[Member]
) -> dict[str, Any]:
    dataset = datamodule.dataset
    arguments = {
        "seeds": [member.seed for member in members],
        "observation_dim": dataset.observation_dim,
        "action_low": list(dataset.info.action_low),
        "action_high": list(dataset.info.action_high),
        "num_updates": config.num_updates,
        **algorithm_options(config.algo),
    }
    if config.alpha is not None:
        arguments["alpha"] = [member.alpha for member in members]
    if takes(config.algo, "discount"):
        arguments["discount"] = config.discount
    if datamodule.outcomes is not None:
        arguments["outcome_goal"] = datamodule.outcomes.target
    if takes(config.algo, "best_return"):
        arguments["best_return"] = dataset.best_return
    normalisation = build("normalize", config.normalize)
    if normalisation is not None:
        arguments |= normalisation.fit(dataset, datamodule.selection)
    return arguments


def _facts(config: TrainConfig, data: Prepared, task: Task | None) -> dict[str, Any]:
    dataset = data.training
    return {
        "algo": config.algo["name"],
        "dataset": config.dataset["name"],
        "protocol": config.protocol,
        "num_updates": config.num_updates,
        "dataset_fingerprint": dataset.info.fingerprint,
        "dataset_source": dataset.info.source,
        "transitions": dataset.info.transitions,
        **_transforms(config, dataset.info),
        "bellman_error_data": data.clean.info.fingerprint,
        "discount": config.discount,
        "batch_size": config.batch_size,
        "options": algorithm_options(config.algo),
        "reward": config.dataset["reward"],
        "reward_scale": dataset.info.reward_scale,
        "reward_shift": dataset.info.reward_shift,
        "evaluation": task and {**task.describe(), "seed": EVALUATION_SEED},
        "device": config.device,
        "precision": config.precision,
        "git_commit": git_commit(),
        "versions": versions(),
    }


def _transforms(config: TrainConfig, info: DatasetInfo) -> dict[str, dict[str, Any]]:
    """What was asked for, and what came of it."""
    return {
        "noise": config.noise | (info.noise or {}),
        "subset": config.subset | (info.subset or {}),
        "normalize": config.normalize,
    }


def _hyperparameters(config: TrainConfig) -> dict[str, Any]:
    return {
        "algo": config.algo["name"],
        "dataset": config.dataset["name"],
        "protocol": config.protocol,
        "discount": config.discount,
        "num_updates": config.num_updates,
    }


def _plain(config: TrainConfig) -> dict[str, Any]:
    return {field: getattr(config, field) for field in FIXED}


def _checkpoint_to_resume(config: TrainConfig, folder: Path) -> Path | None:
    if not config.resume:
        return None
    if config.resume != "auto":
        return Path(config.resume)
    path = folder / "checkpoints" / "last.ckpt"
    if path.exists():
        return path
    log.info(f"resume=auto: no {path} yet, so this run starts from the beginning")
    return None
