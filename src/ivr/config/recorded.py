"""What a checkpoint says of its data and of its environment, which may come from anywhere."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ivr.config.dataset import parse_dataset
from ivr.config.resumed import reaches_out
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from ivr.evaluation.task.spec import TaskSpec


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
