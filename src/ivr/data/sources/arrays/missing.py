"""Does with missing values what dataset.missing says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import Names, all_names
from ivr.errors import UserError, counted

ADVICE = (
    "dataset.missing=drop_episode leaves out every episode with a missing value, and "
    "dataset.missing=previous takes the value of the row before (of a reward none, so its episode "
    "is left out); or mend the table: log = log.interpolate(), log.dropna(), or polars' "
    "log.drop_nulls(), an infinite value first by log.replace([inf, -inf], nan)."
)
"""What can be done about a missing value."""

_FILLED = ("observations", "actions")
"""What a row may take from the row before. A reward is none of it: it would be paid twice."""
_ALL = ("observations", "actions", "rewards", "next_observations")


def count_missing(arrays: Mapping[str, NDArray[Any]], names: Names) -> dict[str, int]:
    """Count the missing values of each column that has some, by its name."""
    named = {"observations": (names.observations, "observation"),
             "actions": (names.actions, "action"), "rewards": (("reward",), "reward")}  # fmt: skip
    counts: dict[str, int] = {}
    for key, (own, kind) in named.items():
        empty = _empty(arrays[key])
        empty = empty.reshape(len(empty), -1)
        each = zip(all_names(own, kind, empty.shape[1]), empty.sum(0), strict=False)
        counts |= {name: int(count) for name, count in each if count}
    return counts


def without_missing(
    path: Path, arrays: Mapping[str, NDArray[Any]], last: NDArray[np.int64], choice: str
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Fill in missing values, or leave out their episodes.

    Args:
        path: the file, for messages.
        arrays: with as many rows each.
        last: the last row of each episode.
        choice: drop_episode; or previous, which takes the value of the row before in the episode
            and leaves an episode out where there is none, or where a reward is missing. Next
            observations are then the next row's; where an episode's last row has none, as after
            pandas' shift(-1), the row is left out as it is without that column.

    Returns:
        The arrays, and what was done, in sentences.

    Raises:
        UserError: nothing is left.
    """
    filled, said, unknown = dict(arrays), [], last[:0]
    first = np.append(0, last[:-1] + 1)
    if choice == "previous":
        count = 0
        for name in _FILLED:
            filled[name], known = _forward(arrays[name], first)
            count += known
        if "next_observations" in arrays:
            unknown = _follow(arrays, filled, last)
        if count:
            said.append(
                f"{path}: {counted(count, 'missing value')} taken from the row before, as "
                "dataset.missing=previous says."
            )
    wrong = np.zeros(len(filled["rewards"]), np.bool_)
    for name in _ALL:
        if name in filled:
            wrong |= _empty(filled[name]).reshape(len(wrong), -1).any(1)
    wrong[unknown] = False
    if len(unknown):
        said.append(
            f"{path}: the last rows of {counted(len(unknown), 'episode')} are left out, as what "
            f"came after them is missing (the first: row {unknown[0]})."
        )
    episodes = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    dropped = np.unique(episodes[wrong])
    if len(dropped) == len(last):
        raise UserError(
            f"{path}: every one of its {counted(len(last), 'episode')} has a missing value that "
            f"dataset.missing={choice} leaves it out for. Mend the table: log.interpolate(), or "
            "leave out the column that is often missing."
        )
    why = "with a missing value" if choice == "drop_episode" else (
        "with a missing reward, or a missing value that no row before it has"
    )  # fmt: skip
    if len(dropped):
        said.append(
            f"{path}: {len(dropped):,} of {counted(len(last), 'episode')} are left out, {why} (the "
            f"first: episode {dropped[0]}, row {int(np.argmax(wrong))})."
        )
    kept = ~np.isin(episodes, dropped)
    kept[unknown] = False
    return {name: array[kept] for name, array in filled.items()}, said


def _follow(
    arrays: Mapping[str, NDArray[Any]], filled: dict[str, NDArray[Any]], last: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Fill in next observations; returns the rows that end an episode and have none.

    Their marks, if any, move to the row before.
    """
    ours = filled["observations"].reshape(len(filled["rewards"]), -1)
    given = arrays["next_observations"].reshape(ours.shape)
    ends = np.zeros((len(ours), 1), np.bool_)
    ends[last] = True
    # Elsewhere they are the next row's, which may itself be filled in.
    after = np.where(ends, given, np.roll(ours, -1, axis=0))
    none = _empty(given).all(1, keepdims=True) & ends
    if "terminated" in arrays:  # nothing that follows counts there
        none &= arrays["terminated"].reshape(-1, 1) != 1
    after = np.where(_empty(after) & ~none, ours, after)
    filled["next_observations"] = after.reshape(arrays["next_observations"].shape)
    unknown = np.flatnonzero(none)
    if "truncated" in arrays:
        filled["truncated"] = arrays["truncated"].copy()
        filled["truncated"][np.setdiff1d(unknown - 1, [-1, *last])] = 1
    return unknown


def _empty(values: NDArray[Any]) -> NDArray[np.bool_]:
    return (
        np.asarray(np.isnan(values)) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    )


def _forward(values: NDArray[Any], first: NDArray[np.int64]) -> tuple[NDArray[Any], int]:
    """Take what is missing from the row before, never across a first row of an episode."""
    empty = _empty(values)
    if not empty.any():
        return values, 0
    start = np.zeros(len(values), np.int64)
    start[first] = first
    start = np.maximum.accumulate(start)
    rows = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    source = np.maximum.accumulate(np.where(empty, -1, rows), axis=0)
    known = source >= start.reshape(rows.shape)
    source = np.where(known, source, rows)
    filled = np.take_along_axis(values, source, axis=0)
    return filled, int((empty & known).sum())
