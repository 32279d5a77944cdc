"""Names the columns of a user's own transitions as D4RL names them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import called
from ivr.data.sources.arrays.files import Arrays
from ivr.data.sources.columns import AXES, Column, check_columns
from ivr.data.sources.defects import MARKS, Defect, Defects, Report, ignore, refuse
from ivr.data.sources.ends import marks
from ivr.data.sources.names import meant
from ivr.data.sources.terminals import Terminals
from ivr.errors import UserError

MARKS_AND_NEXT = ("next_observations", "terminated", "truncated", "episode")
"""What data may lack."""


def columns_of(path: Path, arrays: Arrays, report: Report = refuse) -> dict[str, Column]:
    """Check the columns and name them as D4RL does; timeouts also marks where `episode` changes.

    Raises:
        UserError: shapes that do not fit, or marks that are missing or contradict each other.
    """
    own = {"terminated": "terminals", "truncated": "timeouts"}
    axes = AXES | {"terminated": 1, "truncated": 1, "episode": 1}
    columns = {
        own.get(name, name): Column(path, name, array, axes[name]) for name, array in arrays.items()
    }
    numbers = columns.pop("episode", None)
    rows = columns["rewards"].rows
    columns.setdefault("terminals", Column(path, "terminated", np.zeros(rows, np.bool_), 1))
    check_columns(path, columns)
    if numbers is not None:
        if numbers.shape != (rows,):
            raise UserError(f"{path}: episode has shape {numbers.shape}; it should be ({rows},).")
        last = _last_rows(path, numbers.read(0, rows), report)
        # Where the episodes are cut, terminals are looked at again, and truncated is no more.
        ended = marks(path, columns["terminals"], ignore)
        ended |= marks(path, columns["timeouts"], report) if "timeouts" in columns else False
        report(
            _marks(
                path,
                np.flatnonzero(ended & ~last),
                "terminated or truncated is set, and the next row has the same number in episode. "
                "Give what follows an end another number.",
            )
        )
        columns["timeouts"] = Column(path, "episode", last, 1)
    return columns


def _marks(path: Path, rows: NDArray[np.int64], what: str) -> Defects:
    return Defects(MARKS, len(rows), lambda i: Defect(str(path), what, row=int(rows[i])))


def _last_rows(path: Path, numbers: NDArray[Any], report: Report) -> NDArray[np.bool_]:
    """Mark the last row of each episode number, whose rows stand together."""
    missing = np.flatnonzero(numbers != numbers)  # NaN, and NaT among dates
    if len(missing):
        raise UserError(
            f"{path}, row {missing[0]}: episode is {numbers[missing[0]]}. Give every row the "
            "number of its episode."
        )
    last = np.append(numbers[1:] != numbers[:-1], True)
    ends = np.flatnonzero(last)
    _, first = np.unique(numbers[ends], return_index=True)
    again = np.setdiff1d(np.arange(len(ends)), first)
    report(
        _marks(
            path,
            ends[again - 1] + 1,
            "episode is a number that an earlier episode had. The rows of an episode must stand "
            "together, in the order of time: sort the table.",
        )
    )
    return last


class Switches:
    """Finds controls that are on or off: of two values alone in all files."""

    def __init__(self) -> None:
        self._values: list[set[float]] = []

    def look(self, actions: NDArray[Any]) -> None:
        """Look at the actions (rows, A) of a file."""
        self._values = self._values or [set() for _ in actions.T]
        for known, column in zip(self._values, actions.T, strict=True):
            if len(known) <= 2:
                known |= set(np.unique(column).tolist())

    def said(self, names: Sequence[str]) -> list[str]:
        """Say which there are; `names` are those of the actions, or none."""
        found = [i for i, known in enumerate(self._values) if len(known) == 2]
        if not found:
            return []
        return [
            f"{', '.join(called(names, 'action', i) for i in found)}: two values alone. Policies "
            "here play any number between the bounds, so what a switch does with 0.4 is yours to "
            "say, as by a threshold."
        ]


def known_too_late(path: Path, columns: Mapping[str, Column], names: Sequence[str]) -> list[str]:
    """Say which observations are the reward in every row: is it known before the action?"""
    rows = columns["rewards"].rows
    seen, rewards = (columns[name].read(0, rows) for name in ("observations", "rewards"))
    return [
        f"{path}: {called(names, 'observation', int(i))} is the reward in every row. If it is "
        "measured after the action, a policy does not have it when it acts: leave it out."
        for i in np.flatnonzero((seen == rewards.reshape(rows, 1)).all(0))
    ]


def assumed(path: Path, arrays: Arrays, others: list[str], terminals: Terminals) -> list[str]:
    """Say what is assumed about the data: columns that are not used, marks that are missing."""
    said = []
    if others:
        advice = meant([name for name in MARKS_AND_NEXT if name not in arrays], others)
        unused = f"not used: {', '.join(others[:8])}{', ...' if len(others) > 8 else ''}"
        said.append(f"{unused}. {advice}" if advice.startswith("Did") else unused)
    if "terminated" not in arrays:
        said.append("without terminated every end counts as a time limit, none as a last state")
    elif (
        not terminals.mark_time
        and not arrays.keys() & {"episode", "next_observations"}
        and not np.any(arrays.get("truncated", False))
    ):
        said.append("nothing marks an end by time: episodes end where terminated is set")
    return [f"{path}: {'; '.join(said)}"] if said else []
