"""Keeps data that are in memory in a file, which a run and its checkpoints then name."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

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
    beyond_bounds: str | None = None,
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
        beyond_bounds: what is done about actions beyond them (dataset.actions): refuse, the
            default, or clip, with a warning that counts them.
        path: an .npz to keep them in; None for one in the cache, named by its content.
        options: other options of the dataset, such as env="Pendulum-v1", name="plant",
            missing="drop_episode" or terminals="as_timeouts".

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
    parts = (
        (f"{name} {x.dtype.str} {x.shape} ".encode(), x.tobytes()) for name, x in arrays.items()
    )
    return keep(
        content_name(part for pair in parts for part in pair),
        path,
        ".npz",
        lambda target: np.savez(target, **arrays),  # type: ignore[arg-type]
        with_bounds(options, action_low, action_high, beyond_bounds),
    )


def with_bounds(
    options: dict[str, Any], low: Bounds, high: Bounds, beyond: str | None
) -> dict[str, Any]:
    """Options of the dataset, with those about the bounds of actions that were given."""
    bounds = {"action_low": low, "action_high": high, "actions": beyond}
    return options | {key: value for key, value in bounds.items() if value is not None}


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
        missing = [row for row, x in enumerate(array.flat) if x is None or (x != x) is not False]
        if missing:
            raise UserError(f"episode is empty in row {missing[0]}: give every row its episode")
        array = np.unique(array.astype(str), return_inverse=True)[1]
    if array.dtype == object:
        raise UserError(f"{name} holds objects, not numbers: convert it, as in x.astype(float)")
    return array


def content_name(parts: Iterable[bytes]) -> str:
    """Name data by their content."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def _second_name(file: Path) -> Path:
    """Keep what a file holds under another name, until that is removed."""
    other = file.with_name(f".{file.name}.before")
    try:
        other.unlink(missing_ok=True)
        try:
            os.link(file, other)
        except OSError:  # a file system without links
            shutil.copyfile(file, other)
    except OSError as error:
        raise UserError(f"path={file} cannot be written anew: {error}") from error
    return other


def keep(
    name: str,
    path: str | Path | None,
    suffix: str,
    write: Callable[[BinaryIO], object],
    options: dict[str, Any],
) -> Dataset:
    """Write data into a file, and load them from there.

    Args:
        name: of a file in the cache, which is written once.
        path: another file, which is written anew; None for that of the cache.
        suffix: that it must have.
        write: fills it.
        options: of the dataset.

    Raises:
        UserError: for data with a defect; what stood at the path before stands there again.
    """
    if path is not None and Path(path).suffix != suffix:
        raise UserError(f"path={path}: the data are kept in a file that ends in {suffix}")
    file = cache_folder(None) / "arrays" / f"{name}{suffix}" if path is None else Path(path)
    new = path is not None or not file.exists()
    before = _second_name(file) if new and file.is_file() else None
    try:
        if new:
            write_whole(file, write, "path")
        return load_dataset("arrays", path=file, **options)
    except BaseException as error:
        if before is not None:
            os.replace(before, file)
        elif new:
            file.unlink(missing_ok=True)
        if isinstance(error, UserError):
            for shown in (str(file), file.name):
                error.args = (str(error).replace(shown, "the data"),)
        raise
    finally:
        if before is not None:
            before.unlink(missing_ok=True)
