"""Cuts columns of transitions into episodes and checks each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.bounds import outside, outside_in_words
from ivr.agreement.names import Names
from ivr.data.sources.columns import Column
from ivr.data.sources.defects import BOUNDS, FINITE, Defect, Defects, Report, refuse
from ivr.data.sources.ends import ends, qlearning_ends
from ivr.data.sources.source import Episode, unusable, unusable_in_words
from ivr.data.sources.terminals import AS_RECORDED, Terminals


class Checks(NamedTuple):
    """The bounds of actions, the names of all numbers, and what to do about what is wrong."""

    low: NDArray[np.float64]  # (A,)
    high: NDArray[np.float64]  # (A,)
    advice: str
    """About an action outside of its bounds."""
    names: Names = Names()
    missing: str = "Remove the episode or mend the file."
    """About a number that is missing or not finite."""


class _Rows(NamedTuple):
    """The rows of one episode."""

    file: str
    episode: int
    start: int
    columns: dict[str, NDArray[Any]]  # observations, actions, rewards: (T, ...)
    after: NDArray[Any] | None  # (1, O), the last next observation where recorded

    def defect(self, step: int, what: str, advice: str) -> Defect:
        row = self.start + int(step)
        return Defect(self.file, what, self.episode, int(step), row, advice)


def episodes(
    path: Path,
    columns: Mapping[str, Column],
    limit: int | None,
    checks: Checks,
    report: Report = refuse,
    qlearning: bool = False,
    terminals: Terminals = AS_RECORDED,
) -> Iterator[Episode]:
    """Yield the episodes of a file in the order of its rows; `ends` finds where they end.

    An episode's last next observation is that of `next_observations`. Without that column it is
    unknown: the last row is left out, unless the episode terminated, where the next observation
    counts for nothing and the last one stands in. `terminals` says which terminals count.

    With `qlearning` they hold the transitions of D4RL's `qlearning_dataset` (see
    `qlearning_ends`): there the next observation is the next row's, also after a terminal row.

    Raises:
        UserError: with the row, and episode and step where known, of what is wrong.
    """
    start = 0
    marked = columns["terminals"]
    cut = np.zeros(marked.rows, np.bool_)
    if qlearning:
        last, cut = qlearning_ends(path, columns, limit, report)
    else:
        last = ends(path, columns, limit, report, terminals.mark_time)
    for number, end in enumerate(last):
        stop = int(end) + 1
        names = ("observations", "actions", "rewards")
        read = {name: columns[name].read(start, stop) for name in names}
        terminated = bool(marked.read(stop - 1, stop)[0]) and not cut[end]
        terminated = terminated and not terminals.by_time(stop - start)
        after = None
        if "next_observations" in columns:
            after = columns["next_observations"].read(stop - 1, stop)
        elif qlearning and terminated:
            after = columns["observations"].read(stop, stop + 1)
        rows = _Rows(str(path), number, start, read, after)
        for defects in _defects(rows, checks):
            report(defects)
        yield _episode(rows, terminated)
        start = stop


def _defects(rows: _Rows, checks: Checks) -> Iterator[Defects]:
    for name, values in rows.columns.items():
        own = getattr(checks.names, name, ())
        yield _not_finite(rows, name, values, unusable(values), own, checks.missing)
    actions = rows.columns["actions"]
    beyond = outside(actions, checks.low, checks.high)
    steps = np.flatnonzero(beyond & np.isfinite(actions).all(1))
    yield Defects(
        BOUNDS,
        len(steps),
        lambda i: rows.defect(
            steps[i],
            outside_in_words(actions[steps[i]], checks.low, checks.high, checks.names.actions)
            + ".",
            checks.advice,
        ),
    )
    if rows.after is not None:
        last = len(actions) - 1
        values = np.broadcast_to(rows.after, (last + 1, *rows.after.shape[1:]))
        steps = last + unusable(rows.after)
        own = checks.names.observations
        yield _not_finite(rows, "next_observations", values, steps, own, checks.missing)


def _not_finite(
    rows: _Rows,
    name: str,
    values: NDArray[Any],
    steps: NDArray[np.int64],
    names: Sequence[str],
    advice: str,
) -> Defects:
    def at(i: int) -> Defect:
        found = unusable_in_words(values[steps[i]], names)
        return rows.defect(steps[i], f"{name} holds {found}, which is not a finite number.", advice)

    return Defects(FINITE, len(steps), at)


def _episode(rows: _Rows, terminated: bool) -> Episode:
    observations, actions, rewards = rows.columns.values()
    last, left_out = rows.after, rewards[:0]
    if last is None and terminated:
        last = observations[-1:]
    elif last is None:
        last = observations[:0]
        actions, rewards, left_out = actions[:-1], rewards[:-1], rewards[-1:]
    marks = np.zeros(len(rewards), np.bool_)
    terminations, truncations = marks.copy(), marks
    terminations[-1:], truncations[-1:] = terminated, not terminated
    whole = {"observation": np.concatenate([observations, last])}
    return Episode(whole, actions, rewards, terminations, truncations, left_out)
