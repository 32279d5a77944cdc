"""What a checkpoint says of its data and of its environment, which may come from anywhere."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor

from ivr.config.dataset import parse_dataset
from ivr.config.resumed import reaches_out
from ivr.config.transforms import build_transform, split_of
from ivr.data.opening import on_this_machine, within
from ivr.data.prepare import Prepared, prepare
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from ivr.evaluation.task.build import bounds_of
from ivr.evaluation.task.spec import TaskSpec
from ivr.programs import command


def recorded_specs(
    description: Mapping[str, Any], env: str | None = None
) -> tuple[DataSpec, TaskSpec]:
    """The data and the task of a checkpoint's description.

    Args:
        description: of the run, as a checkpoint holds it.
        env: another environment, which a person names and so trusts.

    Raises:
        UserError: they would import a module, or name files.
    """
    data, task = parse_dataset(description["config"]["dataset"])
    if env is not None:
        return data, replace(task, env=env)
    if ":" in str(task.env):
        raise UserError(
            f"the checkpoint's environment {task.env} would import a module. "
            f"If you trust it, say so: env={task.env}"
        )
    if reaches_out("dataset.env_kwargs", task.env_kwargs):
        raise UserError(
            f"the checkpoint gives its environment {dict(task.env_kwargs or {})}, which may name "
            "files. If you trust it, name the environment yourself: env=..."
        )
    return data, task


def recorded_data(
    description: Mapping[str, Any], env: str | None = None
) -> tuple[Prepared, TaskSpec]:
    """The data of a checkpoint's description as its run had them, what it held out among them.

    Args:
        description: of the run, as a checkpoint holds it.
        env: another environment; see `recorded_specs`.

    Returns:
        What was trained on, and where the run had a split what was held out; and the task.

    Raises:
        UserError: they are not on this machine, or not what they were.
    """
    data_spec, task_spec = recorded_specs(description, env)
    _check_here(data_spec)
    given, data_spec = data_spec, within(data_spec, lambda: bounds_of(task_spec))
    data = _prepared(description, data_spec)
    info, known = data.training.info, description["dataset"]
    bounds = [list(info.action_low), list(info.action_high)]
    before = [list(known["action_low"]), list(known["action_high"])]
    if data_spec != given and bounds != before:
        raise UserError(
            f"actions lie between {bounds[0]} and {bounds[1]} in the environment, and the run was "
            f"trained with {before[0]} and {before[1]}. Train it with the environment's: "
            "dataset.action_low=... dataset.action_high=..."
        )
    _check_unchanged(data, description)
    return data, task_spec


def recorded_observations(description: Mapping[str, Any]) -> Tensor:
    """The observations of a run's data, (rows, O) in their own units; no environment is made.

    Args:
        description: of the run, as a checkpoint holds it.

    Raises:
        UserError: they are not on this machine, or not what they were.
    """
    data_spec, task_spec = parse_dataset(description["config"]["dataset"])
    _check_here(data_spec)
    known = description["dataset"]
    bounds = None if task_spec.env is None else (known["action_low"], known["action_high"])
    data = _prepared(description, within(data_spec, lambda: bounds))
    _check_unchanged(data, description)
    return data.clean.observations


@contextmanager
def named_env() -> Iterator[None]:
    """Let an error name the option as evaluate.py and rank.py have it: env, for dataset.env."""
    try:
        yield
    except UserError as error:
        error.args = (re.sub(r"dataset\.env\b", "env", str(error)),)
        raise


def _check_here(spec: DataSpec) -> None:
    if not on_this_machine(spec):
        raise UserError(
            f"the data of the checkpoint, dataset={spec.name}, are not on this machine. A "
            "checkpoint may come from anywhere, so nothing is fetched or made for it: "
            f"{command('inspect_data')} dataset={spec.name} does"
        )


def _prepared(description: Mapping[str, Any], spec: DataSpec) -> Prepared:
    config = description["config"]
    noise, subset = (
        build_transform(group, config.get(group) or {"name": "none"})
        for group in ("noise", "subset")
    )
    if noise is not None:
        _check_here(replace(spec, path=noise.source, id=noise.id, name=f"{spec.name}_noise"))
    return prepare(spec, noise, subset, split_of(config))


def _check_unchanged(data: Prepared, description: Mapping[str, Any]) -> None:
    info, known = data.training.info, description["dataset"]
    if info.fingerprint != known["fingerprint"]:
        raise UserError(
            f"the data have changed: dataset={info.name} has the fingerprint {info.fingerprint}, "
            f"the checkpoint was trained on {known['fingerprint']}"
        )
