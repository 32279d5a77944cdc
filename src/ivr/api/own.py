"""Keeps data that are in memory in a file, which a run and its checkpoints then name."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivr.api.dataset import Dataset, load_dataset
from ivr.data.load import cache_folder
from ivr.errors import UserError
from ivr.files import write_whole

Bounds = float | Sequence[float] | NDArray[Any] | None


def from_arrays(
    *,
    observations: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    terminated: ArrayLike | None = None,
    truncated: ArrayLike | None = None,
    episode: ArrayLike | None = None,
    next_observations: ArrayLike | None = None,
    terminals: ArrayLike | None = None,
    timeouts: ArrayLike | None = None,
    observation_names: Sequence[str] | None = None,
    action_names: Sequence[str] | None = None,
    action_low: Bounds = None,
    action_high: Bounds = None,
    path: str | Path | None = None,
    **options: Any,
) -> Dataset:
    """Take transitions from arrays, one row a step; conf/dataset/arrays.yaml has the rules.

    They are kept in a file, and are the same data as `dataset=arrays dataset.path=FILE`.

    Args:
        observations: (N, O), raw.
        actions: (N, A), in their own units; (N,) for a single one.
        rewards: (N,).
        terminated: (N,), 1 where the task itself ended; D4RL's name for it is `terminals`.
        truncated: (N,), 1 where only the recording stopped; D4RL's name is `timeouts`.
        episode: (N,), a number or a name for each episode, in place of `truncated`.
        next_observations: (N, O); without them the last step of an episode is left out unless it
            terminated.
        terminals, timeouts: other names of `terminated` and `truncated`.
        observation_names, action_names: O and A names, kept through to the policy.
        action_low, action_high: bounds of the actions, one for all or one for each; None for the
            environment's, or without one the least and the greatest in the data.
        path: an .npz to keep them in; None for one in the cache, named by its content.
        options: other options of the dataset, such as env="Pendulum-v1" or name="plant".

    Raises:
        UserError: for data with a defect; nothing is then kept.
    """
    columns = {
        "observations": observations,
        "actions": actions,
        "rewards": rewards,
        "terminated": _one_of("terminated", terminated, "terminals", terminals),
        "truncated": _one_of("truncated", truncated, "timeouts", timeouts),
        "episode": episode,
        "next_observations": next_observations,
        "observation_names": observation_names,
        "action_names": action_names,
    }
    arrays = {name: _array(name, x) for name, x in columns.items() if x is not None}
    file = Path(path) if path is not None else _kept("arrays", arrays, ".npz")
    if file.suffix != ".npz":
        raise UserError(f"path={file}: from_arrays keeps them in an .npz file, as in log.npz")
    bounds = {"action_low": action_low, "action_high": action_high}
    options |= {key: bound for key, bound in bounds.items() if bound is not None}
    new = path is not None or not file.exists()
    if new:
        write_whole(file, lambda target: np.savez(target, **arrays))  # type: ignore[arg-type]
    return _checked(file, new, options)


def from_frame(
    frame: Any,
    *,
    observations: Sequence[str],
    actions: Sequence[str],
    reward: str,
    episode: str | None = None,
    terminated: str | None = None,
    truncated: str | None = None,
    next_observations: Sequence[str] | None = None,
    action_low: Bounds = None,
    action_high: Bounds = None,
    path: str | Path | None = None,
    **options: Any,
) -> Dataset:
    """Take transitions from the columns of a pandas or polars frame, one row a step.

    Args:
        frame: pandas, polars, a pyarrow table, or a dict of arrays: whatever has `frame[column]`.
        observations, actions: columns of numbers; their names are kept through to the policy.
        reward, episode, terminated, truncated, next_observations: columns, see `from_arrays`.
        action_low, action_high, path, options: see `from_arrays`.

    Raises:
        UserError: a column is not there, or the data have a defect.
    """
    single = {"episode": episode, "terminated": terminated, "truncated": truncated}
    columns: dict[str, Any] = {
        name: _column(frame, column) for name, column in single.items() if column is not None
    }
    if next_observations is not None:
        columns["next_observations"] = _stacked(frame, next_observations)
    return from_arrays(
        observations=_stacked(frame, observations),
        actions=_stacked(frame, actions),
        rewards=_column(frame, reward),
        observation_names=observations,
        action_names=actions,
        action_low=action_low,
        action_high=action_high,
        path=path,
        **columns,
        **options,
    )


def _one_of(name: str, value: Any, other: str, same: Any) -> Any:
    if value is not None and same is not None:
        raise UserError(f"{name} and {other} are two names of one array: give one of them")
    return same if value is None else value


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise UserError(f"{name} is no array of one shape: {error}") from None
    if array.dtype == object and name == "episode":  # texts, as pandas holds them
        array = np.unique(array.astype(str), return_inverse=True)[1]
    if array.dtype == object:
        raise UserError(f"{name} holds objects, not numbers: convert it, as in x.astype(float)")
    return array


def _kept(kind: str, arrays: dict[str, NDArray[Any]], suffix: str) -> Path:
    """A file of the cache that is named by its content."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return cache_folder(None) / kind / f"{digest.hexdigest()[:16]}{suffix}"


def _checked(file: Path, new: bool, options: dict[str, Any]) -> Dataset:
    """Load what was kept; a file that is refused goes again."""
    try:
        return load_dataset("arrays", path=file, **options)
    except UserError as error:
        if new:
            file.unlink(missing_ok=True)
        raise UserError(str(error).replace(str(file), "the data")) from None


def _column(frame: Any, name: str) -> NDArray[Any]:
    try:
        column = frame[name]
    except Exception as error:  # each library raises its own
        known = ", ".join(map(str, getattr(frame, "columns", None) or list(frame)[:8]))
        raise UserError(f"the frame has no column {name}: it has {known}") from error
    return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)


def _stacked(frame: Any, names: Sequence[str]) -> NDArray[Any]:
    return np.stack([_column(frame, name) for name in names], axis=1)
