"""What a checkpoint says of its data and of its environment, which may come from anywhere."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
    if not on_this_machine(data_spec):
        raise UserError(
            f"the data of the checkpoint, dataset={data_spec.name}, are not on this machine. A "
            "checkpoint may come from anywhere, so nothing is fetched or made for it: "
            f"{command('inspect_data')} dataset={data_spec.name} does"
        )
    config = description["config"]
    noise, subset = (
        build_transform(group, config.get(group) or {"name": "none"})
        for group in ("noise", "subset")
    )
    given, data_spec = data_spec, within(data_spec, lambda: bounds_of(task_spec))
    data = prepare(data_spec, noise, subset, split_of(config))
    info, known = data.training.info, description["dataset"]
    bounds = [list(info.action_low), list(info.action_high)]
    before = [list(known["action_low"]), list(known["action_high"])]
    if data_spec != given and bounds != before:
        raise UserError(
            f"actions lie between {bounds[0]} and {bounds[1]} in the environment, and the run was "
            f"trained with {before[0]} and {before[1]}. Train it with the environment's: "
            "dataset.action_low=... dataset.action_high=..."
        )
    if info.fingerprint != known["fingerprint"]:
        raise UserError(
            f"the data have changed: dataset={info.name} has the fingerprint {info.fingerprint}, "
            f"the checkpoint was trained on {known['fingerprint']}"
        )
    return data, task_spec
