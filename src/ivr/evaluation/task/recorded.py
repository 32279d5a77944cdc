"""Reads the environment that a dataset records, and executes nothing of the file."""

import json
import re
from dataclasses import dataclass
from typing import Any

from ivr.agreement.walls import recorded_walls
from ivr.errors import UserError

# Arguments that belong to whoever makes the environment, not to the record.
_OURS = {"render_mode", "max_episode_steps", "disable_env_checker"}


class RecordedEnvironmentError(UserError):
    """The environment that the data record cannot be had here: a training goes without it."""


@dataclass(frozen=True)
class RecordedEnvironment:
    """Id and arguments of a recorded `EnvSpec`; its entry point is never read."""

    id: str
    kwargs: dict[str, Any]
    max_episode_steps: int | None
    wrappers: tuple[str, ...]


def read_recorded(env_spec: str) -> RecordedEnvironment:
    """Read the JSON of a Gymnasium `EnvSpec`.

    A JSON `EnvSpec` may name any function as its entry point, and an id such as "module:Env-v0"
    makes Gymnasium import the module, so only id and arguments of plain ids are taken.

    Raises:
        UserError: the maze of the record is malformed.
        RecordedEnvironmentError: another part is, or an argument or the id names a file or a
            module.
    """
    recorded_walls(env_spec)  # a maze that cannot be read is reported as such
    try:
        spec = json.loads(env_spec)
        kwargs = {key: value for key, value in spec["kwargs"].items() if key not in _OURS}
        limit = spec.get("max_episode_steps")
        wrappers = tuple(str(w.get("name", w)) for w in spec.get("additional_wrappers") or ())
        recorded = RecordedEnvironment(str(spec["id"]), kwargs, limit, wrappers)
        plain = _is_id(recorded.id) and _is_plain(kwargs) and (limit is None or limit > 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordedEnvironmentError(
            "The dataset records its environment in a form that cannot be read "
            f"({type(error).__name__}: {error}). Name the environment: dataset.env=..."
        ) from error
    if not plain:
        raise RecordedEnvironmentError(
            f"The dataset records the environment {recorded.id!r} with arguments {kwargs}, which "
            "name a file or a module. Nothing that a dataset names is executed or opened: "
            "set dataset.env and dataset.env_kwargs yourself."
        )
    return recorded


def _is_id(name: str) -> bool:
    """Check that a name is an id such as Hopper-v5 or lab/Crane-v3, and imports nothing."""
    return re.fullmatch(r"([\w-]+/)?[\w.-]+", name) is not None


def _is_plain(value: Any) -> bool:
    """Check that no text inside can be a path or a `module:name`."""
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not (isinstance(value, str) and any(mark in value for mark in ":/\\"))
