"""Takes a few recorded steps out of a source, with the simulator's state where that is recorded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.views import Observations
from ivr.data.sources.columns import QPOS, QVEL, Column
from ivr.data.sources.defects import ignore
from ivr.data.sources.ends import ends
from ivr.data.sources.source import RecordedSteps, States
from ivr.errors import UserError


def joined(parts: Sequence[RecordedSteps]) -> RecordedSteps:
    """Put steps after each other; states only where all of them have some.

    Raises:
        UserError: there are none.
    """
    if not parts:
        raise UserError("There is no step whose next observation is known.")

    def observations(which: str) -> Observations:
        each = [getattr(part, which) for part in parts]
        return {key: np.concatenate([one[key] for one in each]) for key in each[0]}

    def states(which: str) -> States | None:
        each = [getattr(part, which) for part in parts]
        if any(one is None for one in each):
            return None
        if len({(one.qpos.shape[1:], one.qvel.shape[1:]) for one in each}) > 1:
            return None
        return States(*(np.concatenate(column) for column in zip(*each, strict=True)))

    actions = np.concatenate([part.actions for part in parts])
    return RecordedSteps(
        observations("before"),
        actions,
        observations("after"),
        states("states"),
        states("states_above"),
    )


def sample_rows(
    path: Path,
    columns: Mapping[str, Column],
    rows: Sequence[int],
    length: int,
    limit: int | None,
    terminals_by_time: bool,
) -> Iterator[RecordedSteps]:
    """Take the steps of `length` rows from each of `rows` on, as far as what came after is known.

    Args:
        path: the file, for messages.
        columns: of transitions, named as D4RL names them.
        rows: numbers of rows.
        length: how many from each.
        limit, terminals_by_time: most steps of an episode, and what else ends one; see `ends`.
    """
    total = columns["rewards"].rows
    known = "next_observations" in columns
    last = np.zeros(total, np.bool_)
    if known:
        for name in {"terminals", "timeouts"} & columns.keys():
            last |= np.asarray(columns[name].read(0, total)) == 1
    else:
        last[ends(path, columns, limit, ignore, terminals_by_time)] = True
    for column in columns.values():
        column.block = 1  # only what is asked for

    def take(name: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        return np.asarray(columns[name].read(int(rows[0]), int(rows[-1]) + 1)[rows - rows[0]])

    def states(rows: NDArray[np.intp]) -> States | None:
        return States(take(QPOS, rows), take(QVEL, rows)) if QPOS in columns else None

    for start in rows:
        chosen = np.arange(start, min(start + length, total))
        chosen = chosen if known else chosen[~last[chosen]]
        if not len(chosen):
            continue
        above = states(np.maximum(chosen - 1, 0))
        if above is not None:
            other = (chosen == 0) | last[chosen - 1]
            above = States(*(np.where(other[:, None], np.nan, part) for part in above))
        after = take("next_observations", chosen) if known else take("observations", chosen + 1)
        yield RecordedSteps(
            {"observation": take("observations", chosen)},
            take("actions", chosen),
            {"observation": after},
            states(chosen),
            above,
        )
