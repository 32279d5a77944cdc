"""Finds where the episodes of a file of transitions end."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.alignment import shifted, unlike_next
from ivr.data.sources.columns import Column
from ivr.data.sources.defects import MARKS, NEXT, Defect, Defects, Report, refuse
from ivr.data.sources.source import MARK_RULE, not_marks
from ivr.errors import UserError, counted

_STRAY = 0.01
"""Share of rows that may end an episode unmarked. In the published medium-replay files some
time-outs are not marked (Farama-Foundation/D4RL, issue 162)."""

_LOOKED_AT = 64
"""Ends whose next observations are looked at."""


def ends(
    path: Path,
    columns: Mapping[str, Column],
    limit: int | None,
    report: Report = refuse,
    terminals_by_time: bool = False,
) -> NDArray[np.int64]:
    """Find the last row of each episode; the file's last row is one, whole or cut.

    An episode ends where terminals or timeouts is set, and where next_observations is not the next
    row's observation. A file without next_observations in which timeouts is missing, or set
    nowhere, marks no time-out: there, an episode ends after `limit` steps, unless terminals mark
    time-outs too (`terminals_by_time`).

    Raises:
        UserError: a mark that is neither 0 nor 1, next_observations that belong to other rows,
            marks that stand beside the ends, or a limit that is needed and not given.
    """
    terminal = marks(path, columns["terminals"], report)
    ended = terminal.copy()
    by_time = marks(path, columns["timeouts"], report) if "timeouts" in columns else ended[:0]
    if len(by_time):
        ended |= by_time
    if "next_observations" in columns:
        jumps = unlike_next(columns)
        inner = np.flatnonzero((ended & ~terminal)[:-1])
        if len(inner) > 1 and not jumps[inner].any() and _known(columns, inner[:_LOOKED_AT]):
            warnings.warn(
                f"{path.name}: at each of {counted(len(inner), 'marked end')} "
                "next_observations is the first observation of the next episode. Where something "
                "else began there, it should be unknown: log.groupby('episode').shift(-1)",
                stacklevel=2,
            )
        if not _misaligned(path, columns, ended, jumps, report):
            ended |= jumps
    elif not by_time.any() and not terminals_by_time:
        if limit is None:
            held = (
                "timeouts that are 0 everywhere and no" if len(by_time) else "neither timeouts nor"
            )
            ended[-1] = True
            longest = int(np.diff(np.flatnonzero(ended), prepend=-1).max())
            raise UserError(
                f"{path} has {held} next_observations, so nothing in it marks the end of an "
                "episode by time: set dataset.max_episode_steps to the collection's limit, or, if "
                f"{columns['terminals'].name} marks the end of every episode, to {longest}, the "
                "longest of them."
            )
        _cut(ended, limit)
    ended[-1] = True
    return np.flatnonzero(ended)


def qlearning_ends(
    path: Path, columns: Mapping[str, Column], limit: int | None, report: Report = refuse
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the last row of each episode as D4RL's `qlearning_dataset` does, and what it leaves out.

    Source: D4RL 89141a6, `d4rl/__init__.py`. There a transition leads from a row to the next one.
    A row with timeouts, or in a file without them every `limit`-th of an episode, is left out even
    where it is terminal, as is the file's last.

    Returns:
        The last rows, and (rows,) which rows are left out.

    Raises:
        UserError: a mark that is neither 0 nor 1, or a limit that is needed and not given.
    """
    terminal = marks(path, columns["terminals"], report)
    if "timeouts" in columns:
        final = marks(path, columns["timeouts"], report)
    else:
        if limit is None:
            raise UserError(
                f"{path} marks no time-outs: set dataset.max_episode_steps to the collection's "
                "limit."
            )
        final = np.zeros(len(terminal), np.bool_)
        step = 0
        for row, done in enumerate(terminal.tolist()):
            if step == limit - 1:
                final[row], step = True, 0
                continue
            # From 0 after a row that was left out, from 1 after a terminal one: as it is there.
            step = 1 if done else step + 1
    final[-1] = True
    return np.flatnonzero(terminal | final), final


def marks(path: Path, column: Column, report: Report = refuse) -> NDArray[np.bool_]:
    """Read which rows a column marks with 1, (rows,); any other number marks nothing.

    Raises:
        UserError: a mark that is neither 0 nor 1.
    """
    values = column.read(0, column.rows)
    rows = not_marks(values)

    def at(i: int) -> Defect:
        what = f"{column.name} is {values[rows[i]]}; {MARK_RULE}"
        return Defect(str(path), what, row=int(rows[i]))

    report(Defects(MARKS, len(rows), at))
    return np.asarray(values == 1)


def _known(columns: Mapping[str, Column], rows: NDArray[np.int64]) -> bool:
    """Whether the next observations of some rows are numbers, and not missing."""
    following = columns["next_observations"]
    return all(np.isfinite(following.read(i, i + 1)).all() for i in rows.tolist())


def _misaligned(
    path: Path,
    columns: Mapping[str, Column],
    ended: NDArray[np.bool_],
    jumps: NDArray[np.bool_],
    report: Report,
) -> bool:
    """Report next_observations or marks of other rows, and warn of a few unmarked ends."""
    unmarked = jumps & ~ended
    count = int(unmarked.sum())
    if count == 0:
        return False
    rows = np.flatnonzero(unmarked)
    beside = rows[_beside(rows, ended & ~jumps)]
    offset = shifted(columns, rows) if 2 * count > len(jumps) else None
    first = np.append(0, np.flatnonzero(ended) + 1)

    def at(rows: NDArray[np.int64], i: int, why: str) -> Defect:
        row = int(rows[i])
        what = (
            f"next_observations is not the observation of row {row + 1}, and no end is marked "
            f"there{why}"
        )
        episode = int(np.searchsorted(first, row, side="right")) - 1
        return Defect(str(path), what, episode, row - int(first[episode]), row)

    if 2 * len(beside) > count:
        aside = (
            ", but beside it, where the episode continues. Move the marks to the last row of each."
        )
        report(Defects(MARKS, len(beside), lambda i: at(beside, i, aside)))
        return True
    if offset is not None or ("timeouts" in columns and count > _STRAY * len(jumps)):
        why = f"; so are {count} of {len(jumps)} rows. "
        if offset is not None:
            why += f"They are the observations {offset}. "
        why += "Mend the file, or remove its next_observations."
        report(Defects(NEXT, count, lambda i: at(rows, i, why)))
        return True
    if "timeouts" in columns:
        warnings.warn(
            f"{path}: the ends of {counted(count, 'episode')} are not marked, the first at row "
            f"{rows[0]}, where next_observations is not the next row's observation. They are taken "
            "as ended by time.",
            stacklevel=2,
        )
    return False


def _beside(rows: NDArray[np.int64], idle: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the rows with a mark just before or after them at which nothing ends."""
    padded = np.concatenate(([False], idle[:-1], [False, False]))
    return np.asarray(padded[rows] | padded[rows + 2])


def _cut(ended: NDArray[np.bool_], limit: int) -> None:
    """End the episodes between the marked ends after every `limit` rows."""
    last = -1
    for end in [*np.flatnonzero(ended), len(ended) - 1]:
        ended[last + limit : end : limit] = True
        last = int(end)
