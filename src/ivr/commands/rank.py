"""Ranks policies on logged data, and says how far to trust the ranking."""

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from ivr.config.dataset import parse_dataset
from ivr.config.recorded import named_env, recorded_data
from ivr.config.resumed import quoted, written
from ivr.config.search import Search
from ivr.config.selection import RankConfig
from ivr.config.transforms import split_of
from ivr.config.values import device as available
from ivr.data.dataset import OfflineDataset
from ivr.data.facts import basic_facts
from ivr.data.opening import within
from ivr.data.prepare import Prepared, prepare
from ivr.errors import UserError
from ivr.evaluation.task.build import RecordedEnvironmentError, Task, bounds_of, make_task
from ivr.evaluation.task.spec import TaskSpec
from ivr.files import write_json, write_text
from ivr.selection.candidates import load_candidates
from ivr.selection.page import page
from ivr.selection.ranking import rank
from ivr.selection.suited import check_suited
from ivr.selection.table import as_csv, as_json, table
from ivr.training.folder import owned, refuse_training
from ivr.training.hardware import keep_freed_memory, product_library
from ivr.training.precisions import LIBRARIES

log = logging.getLogger(__name__)

_REWARD = ("reward", "reward_scale", "reward_shift")
"""Keys of a dataset in which the policies may differ: they are compared in recorded rewards."""


def run(
    composed: DictConfig,
    folder: Path,
    overrides: list[str],
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Rank as configured; returns the contents of rank.json.

    It calls `begin` once the policies and the data are known to be usable.

    Raises:
        UserError: for whatever the person at the keyboard can mend.
    """
    config = RankConfig.parse(composed)
    refuse_training(folder)
    device = available(config.device)
    policies, descriptions = load_candidates(config.checkpoints, config.trusted_class)
    for name, why in policies.left_out:
        log.info(f"left out: {name}: {why}")
    if not policies.candidates:
        raise UserError("none of the policies can be ranked")
    data, task_spec = _data(config, descriptions)
    dataset = data.training
    check_suited(policies, descriptions, dataset)
    task = _task(config, task_spec, dataset)
    discount = _discount(config, descriptions)
    library, _ = product_library("auto", device)
    torch.set_float32_matmul_precision(LIBRARIES[library])
    if device == "cpu":
        keep_freed_memory()
    with owned(folder):
        begin()
        log.info(
            f"{len(policies.candidates)} policies on {dataset.info.name}: "
            f"{dataset.num_transitions:,} transitions, {dataset.info.episodes:,} episodes"
        )
        ranking = rank(
            policies,
            dataset,
            discount=discount,
            held_out=data.held_out,
            options=config.options,
            task=task,
            truth_episodes=config.episodes,
            device=device,
            folder=folder / "checkpoints",
        )
        result: dict[str, Any] = write_json(folder / "rank.json", as_json(ranking))
        write_text(folder / "rank.csv", as_csv(ranking))
        write_text(folder / "ranking.html", page(ranking))
    log.info(table(ranking))
    log.info(f"page:    {folder / 'ranking.html'}\nfigures: {folder / 'rank.json'}, rank.csv")
    return result


def lower_bounds(
    checkpoint: Path, folder: Path, algorithm: str, options: Mapping[str, Any]
) -> list[float]:
    """What each member of a checkpoint is worth at least, by logged data alone; NaN if unknown.

    Args:
        checkpoint: of a run of one's own.
        folder: of the ranking; one that was stopped there resumes.
        algorithm: the path of the run's class, which is trusted.
        options: of rank.py.
    """
    words = [f"checkpoints=[{quoted(str(checkpoint))}]", f"class={quoted(algorithm)}"]
    words += [f"{key}={written(value)}" for key, value in options.items()]
    ranked = run(Search("rank").compose(words), folder, words)
    lower = {policy["member"]: policy["lower"] for policy in ranked["policies"]}
    return [math.nan if lower[k] is None else lower[k] for k in range(len(lower))]


def _data(
    config: RankConfig, descriptions: Sequence[Mapping[str, Any]]
) -> tuple[Prepared, TaskSpec]:
    """What the policies are ranked on, and the task that it names.

    Raises:
        UserError: it is not on this machine, or not one for all policies.
    """
    if config.dataset is not None:
        spec, task = parse_dataset(config.dataset)
        spec = within(spec, lambda: bounds_of(task))
        return prepare(spec), _in(task, config.env)
    first = descriptions[0]
    for other in descriptions[1:]:
        if _origin(other) != _origin(first):
            raise UserError(
                f"the policies were trained on different data: {first['dataset']['source']}, and "
                f"{other['dataset']['source']}. Say which to rank them on, as in dataset="
                f"{first['config']['dataset'].get('name')}, or rank them apart"
            )
    data = recorded_data(first, config.env)
    seen = [_as_trained(first)]
    for other in descriptions[1:]:
        if _as_trained(other) not in seen:
            recorded_data(other, config.env)  # are they what they were?
            seen.append(_as_trained(other))
    return data


def _in(task: TaskSpec, env: str | None) -> TaskSpec:
    return task if env is None else dataclasses.replace(task, env=env)


def _origin(description: Mapping[str, Any]) -> Any:
    """What decides the transitions that a run was trained on, but for their rewards."""
    config = description["config"]
    dataset = {key: value for key, value in config["dataset"].items() if key not in _REWARD}
    transforms = (config.get(group) or {"name": "none"} for group in ("noise", "subset"))
    return dataset, *transforms, split_of(config)


def _as_trained(description: Mapping[str, Any]) -> Any:
    """What decides the rewards that a run was trained on, and the hash of what came of it."""
    config = description["config"]["dataset"]
    return [config.get(key) for key in _REWARD], description["dataset"]["fingerprint"]


def _task(config: RankConfig, spec: TaskSpec, dataset: OfflineDataset) -> Task | None:
    """The environment, where it is asked for."""
    if not config.episodes and config.options.initial == "data":
        return None
    info = dataset.info
    if config.episodes and info.reward_scale < 0:
        raise UserError(
            f"episodes={config.episodes}: the policies minimise the recorded reward "
            f"(dataset.reward_scale={info.reward_scale:g}), and the environment's return is its "
            "sum. Leave episodes= out"
        )
    try:
        with named_env():
            task = make_task(spec, basic_facts(dataset), info.env_spec, info.requirements)
    except RecordedEnvironmentError as error:
        raise UserError(f"{error} Or leave episodes= and initial=evaluation out") from error
    if task is None:
        raise UserError(
            "neither the data nor env= name an environment: leave episodes= and "
            "initial=evaluation out, or give one, as in env=Hopper-v5"
        )
    return task


def _discount(config: RankConfig, descriptions: Sequence[Mapping[str, Any]]) -> float:
    if config.discount is not None:
        return config.discount
    found = sorted({float(d["config"]["discount"]) for d in descriptions})
    if len(found) > 1:
        raise UserError(
            f"the policies were trained with discount={' and '.join(map(str, found))}: say which "
            f"to rank them by, as in discount={found[0]}"
        )
    return found[0]
