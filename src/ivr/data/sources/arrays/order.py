"""Puts the rows of each episode in the order of time, and says where time stands still or jumps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError, counted

_ORDERED = "iufmM"
"""Kinds of arrays that are times: numbers, dates and durations."""
_GAP = 3
"""A step of time that is so many times the usual one is a gap."""

_HOUR, _HALF_A_DAY = np.timedelta64(1, "h"), np.timedelta64(12, "h")

USUAL = ("time", "timestamp", "timestamps", "datetime", "date_time", "date", "ts", "t")
"""Names of columns of time, in small letters."""


def in_order(
    path: Path, arrays: Mapping[str, NDArray[Any]], column: str
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Sort the rows of each episode by `time`, an array (rows,) that is then left out.

    Episodes keep the order of their first rows, and equal times the order of their rows. Without
    numbers of episodes the marks of ends separate them; where time falls within one all the same,
    the whole file is sorted, and the marks move with their rows.

    Args:
        path: the file, for messages.
        arrays: with as many rows each.
        column: what the file calls the time.

    Returns:
        The arrays, and what was found, in sentences.

    Raises:
        UserError: a time is missing, of another kind, or that of rows of several episodes that
            nothing tells apart.
    """
    time = arrays["time"]
    others = {name: array for name, array in arrays.items() if name != "time"}
    if time.ndim != 1 or any(len(array) != len(time) for array in others.values()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise UserError(f"{path}: its columns should have as many rows as {column}: {shapes}.")
    if time.dtype.kind not in _ORDERED:
        raise UserError(
            f"{path}: {column} holds {time.dtype}, and no times that can be ordered: save numbers, "
            "or dates as numpy.datetime64."
        )
    missing = np.flatnonzero(time != time)  # NaN, and NaT among dates
    if len(missing):
        raise UserError(
            f"{path}, row {missing[0]}: {column} is missing, so the row has no place in time. "
            f"Remove such rows: log = log.dropna(subset=['{column}'])"
        )
    episode = _numbers(arrays, len(time))
    if "episode" not in arrays and len(_falls(time, episode)):
        episode = np.zeros_like(episode)
        again = np.flatnonzero(np.diff(np.sort(time)) == 0)
        if len(again):
            raise UserError(
                f"{path}: rows are not in the order of {column}, and several have "
                f"{column} {np.sort(time)[again[0]]}, so it cannot say to which episode they "
                "belong: name the column that does as dataset.columns.episode. If they were "
                f"recorded twice, remove them: log = log.drop_duplicates('{column}')."
            )
    together = np.argsort(episode, kind="stable")
    rows = _falls(time[together], episode[together])
    falls = len(rows)
    order = np.lexsort((time, episode))
    said = _steps(path, time[order], episode[order], column)
    if falls or (order != np.arange(len(order))).any():
        why = "the rows of each episode were put together"
        if falls:
            why = (
                f"{falls:,} of {len(order):,} rows were earlier by {column} than the row before "
                "them in their episode, and all were sorted by it"
            )
            deepest = (time[together][rows - 1] - time[together][rows]).max()
            if time.dtype.kind == "m" and deepest > _HALF_A_DAY:
                why += " (if it is a time of day that passes midnight, give the date with it)"
            if time.dtype.kind == "M" and deepest <= _HOUR:
                why += " (where a clock was set back, as summer time ends, give times with zones)"
        said.insert(0, f"{path.name}: {why}; rows in other messages are counted after that.")
        others = {name: array[order] for name, array in others.items()}
    return others, said


def out_of_order(time: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> int | None:
    """Find the first row that is earlier than the row before it in its episode."""
    if time.ndim != 1 or time.dtype.kind not in _ORDERED or (time != time).any():
        return None
    rows = _falls(time, _numbers(arrays, len(time)))
    return int(rows[0]) if len(rows) else None


def _falls(time: NDArray[Any], episode: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the rows that are earlier than the row before them in their episode."""
    return 1 + np.flatnonzero((time[1:] < time[:-1]) & (episode[1:] == episode[:-1]))


def _numbers(arrays: Mapping[str, NDArray[Any]], rows: int) -> NDArray[np.int64]:
    """Number the episodes, (rows,): by the first row of each name, else by the marks of ends."""
    episode = arrays.get("episode")
    if episode is not None and episode.size == rows:
        _, first, inverse = np.unique(episode.reshape(rows), return_index=True, return_inverse=True)
        return np.asarray(first[inverse], np.int64)
    ended = np.zeros(rows, np.int64)
    for name in ("terminated", "truncated"):
        if name in arrays and arrays[name].size == rows:
            ended |= arrays[name].reshape(rows) == 1
    return np.cumsum(ended) - ended


def _steps(path: Path, time: NDArray[Any], episode: NDArray[Any], column: str) -> list[str]:
    """Say where rows of an episode have one time, or lie far apart."""
    within = episode[1:] == episode[:-1]
    steps = np.diff(time)[within]
    zero = steps.dtype.type(0)
    moving = steps[steps > zero]
    said = []
    if len(moving) < len(steps):
        row = int(np.flatnonzero(within)[np.argmax(steps == zero)]) + 1
        repeats = counted(len(steps) - len(moving), "row")
        said.append(
            f"{path.name}: {repeats} of an episode with the {column} of the row before "
            f"(the first: row {row}). If they are of two machines, name both: "
            "dataset.columns.episode=[machine,day]. If they were recorded twice, remove them: "
            f"log = log.drop_duplicates(['{column}', ...]), with the columns of the episode."
        )
    if not len(moving):
        return said
    usual = np.sort(moving)[len(moving) // 2]
    long = np.flatnonzero(within)[steps > _GAP * usual]
    if len(long):
        longest = long[np.argmax(np.diff(time)[long])]
        said.append(
            f"{path.name}: {counted(len(long), 'gap')} in {column}: a step is usually "
            f"{_words(usual)} and the longest is {_words(np.diff(time)[longest])} (to row "
            f"{longest + 1}). A step across a gap is learned from like any other: let what follows "
            f"a gap be another episode, as in log['piece'] = (log['{column}'].diff() > "
            "limit).cumsum() and dataset.columns.episode=[machine,day,piece]."
        )
    return said


def _words(step: Any) -> str:
    """A step of time; dates say their own units."""
    if not isinstance(step, np.timedelta64):
        return f"{step:.6g}"
    seconds = step / np.timedelta64(1, "s")
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"
