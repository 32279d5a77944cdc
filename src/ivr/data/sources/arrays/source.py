"""Reads a user's own transitions from .npz, Parquet or CSV files, and checks what it reads."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import Names, called
from ivr.data.sources.arrays.columns import Switches, assumed, columns_of, known_too_late
from ivr.data.sources.arrays.files import Arrays, read_arrays
from ivr.data.sources.arrays.mapping import ColumnMap
from ivr.data.sources.arrays.missing import ADVICE, count_missing, without_missing
from ivr.data.sources.arrays.order import in_order
from ivr.data.sources.columns import Column
from ivr.data.sources.defects import Report, ignore, refuse
from ivr.data.sources.ends import ends
from ivr.data.sources.rows import Checks, episodes
from ivr.data.sources.sampled import joined, sample_rows
from ivr.data.sources.source import Bound, Episode, RecordedSteps, filled, unusable
from ivr.data.sources.terminals import AS_RECORDED, Terminals
from ivr.errors import UserError


class _Seen(NamedTuple):
    """What is found by reading all files once."""

    width: int
    rows: int
    low: NDArray[np.float64]  # (A,)
    high: NDArray[np.float64]  # (A,)
    names: Names
    notes: list[str]


class ArraysSource:
    """Reads files of transitions as conf/dataset/arrays.yaml describes them; opening reads nothing.

    An episode ends where terminated or truncated is set, on the last row of each number in
    `episode`, where next_observations is not the next row's observation, and at the end of each
    file: rows of two files are never taken for neighbours. Each file is read whole, one at a time.
    """

    is_dict = False
    unread: tuple[str, ...] = ()
    env_spec: str | None = None
    differs: str | None = None
    total_episodes: int | None = None

    def __init__(
        self,
        paths: Sequence[Path],
        action_low: Bound,
        action_high: Bound,
        terminals: Terminals = AS_RECORDED,
        columns: ColumnMap | None = None,
        clip: bool = False,
        missing: str = "refuse",
    ) -> None:
        """Keep the names of the files.

        Args:
            paths: at least one.
            action_low: bounds of actions, for all of their numbers or one for each; None for the
                least that the data hold; action_high likewise.
            terminals: how they are read.
            columns: which columns are what; None for those with the usual names.
            clip: take actions beyond the bounds, to be clipped to them.
            missing: what is done about missing values: refuse, drop_episode or previous.
        """
        self._paths, self._given = list(paths), (action_low, action_high)
        self._terminals, self._missing = terminals, missing
        self._columns = columns or ColumnMap()
        self.clips_actions = clip
        names = [path.name for path in paths]
        self.id = " + ".join(names) if len(names) < 4 else f"{len(names)} files from {names[0]}"
        self.place = ", ".join(sorted({str(path.parent) for path in paths}))
        # What is given decides, with the files, which cache is used.
        self.metadata: dict[str, Any] = {"action_low": action_low, "action_high": action_high}
        if self._columns.given:
            self.metadata["columns"] = dict(self._columns.given)
        if missing != "refuse":
            self.metadata["missing"] = missing

    @property
    def boxes(self) -> dict[str, tuple[int, ...]]:
        """The width of an observation."""
        return {"observation": (self._seen.width,)}

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the numbers of an observation, where they are known."""
        return {"observation": self._seen.names.observations}

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the numbers of an action, where they are known."""
        return self._seen.names.actions

    @property
    def notes(self) -> list[str]:
        """What was done to the data, and what is assumed about them."""
        return self._seen.notes

    @property
    def action_low(self) -> NDArray[np.float64]:
        """(A,), given or found."""
        return self._seen.low

    @property
    def action_high(self) -> NDArray[np.float64]:
        """(A,), given or found."""
        return self._seen.high

    @property
    def total_steps(self) -> int:
        """Rows of all files."""
        return self._seen.rows

    def files(self) -> list[Path]:
        """The files, in the order in which their episodes follow each other."""
        return self._paths

    def episodes(self, report: Report = refuse) -> Iterator[Episode]:
        """Yield the episodes in the order of their rows, each checked.

        Raises:
            UserError: with the row, and episode and step where known, of what is wrong.
        """
        advice = (
            "Mend the data, or set dataset.action_low and dataset.action_high wide enough, or "
            "dataset.actions=clip to have such actions clipped; where no bounds are given they are "
            "the environment's."
        )
        names = self._seen.names
        checks = Checks(self.action_low, self.action_high, advice, names, ADVICE)
        for path in self._paths:
            columns = columns_of(path, self._read(path).arrays, report)
            limit = columns["rewards"].rows
            yield from episodes(path, columns, limit, checks, report, terminals=self._terminals)

    def sample(self, places: Sequence[float], length: int) -> RecordedSteps:
        """Take a few steps; see `Source.sample`. Each file is read whole."""
        parts: list[RecordedSteps] = []
        shares = np.array(places) * len(self._paths)
        for number, path in enumerate(self._paths):
            within = shares[shares.astype(int) == number] - number
            if len(within):
                columns = columns_of(path, self._read(path).arrays, ignore)
                total = columns["rewards"].rows
                rows = (within * total).astype(int).tolist()
                parts += sample_rows(path, columns, rows, length, total, self._terminals.mark_time)
        return joined(parts)

    def _read(self, path: Path) -> "_File":
        """Read a file; put its rows in order and do with missing values what is asked for."""
        table = read_arrays(path, self._columns)
        arrays, notes = table.arrays, list(table.notes)
        if "time" in arrays:
            arrays, notes = in_order(path, arrays, self._columns.given["time"][0])
        columns = columns_of(path, arrays, ignore)  # what it ignores `episodes` reports
        rows = columns["rewards"].rows
        missing: dict[str, int] = {}
        if self._missing != "refuse":
            last = ends(path, columns, rows, ignore, self._terminals.mark_time)
            arrays, done = without_missing(path, arrays, last, self._missing)
            notes += done
        else:
            missing = count_missing(arrays, table.names)
        return _File(arrays, rows, table.names, table.others, notes, missing)

    @cached_property
    def _seen(self) -> _Seen:
        widths: tuple[int, int] | None = None
        rows, before, notes, names, missing = 0, 0, [], Names(), dict[str, int]()
        two = Switches()
        low: NDArray[Any] = np.array(np.inf)
        high: NDArray[Any] = np.array(-np.inf)
        for path in self._paths:
            read = self._read(path)
            columns = columns_of(path, read.arrays, ignore)  # what it ignores `episodes` reports
            own = columns["observations"].width, columns["actions"].width
            if widths not in (None, own):
                raise UserError(
                    f"dataset.path: {path} has observations and actions of {own} numbers, "
                    f"{self._paths[0]} has {widths}. Only files of one kind can be joined."
                )
            if widths is None:
                names = read.names
                notes += assumed(path, read.arrays, read.others, self._terminals)
            elif names != read.names:
                raise UserError(
                    f"dataset.path: in {path} the columns are {_shown(read.names)}, and in "
                    f"{self._paths[0]} {_shown(names)}. Name them one by one in dataset.columns."
                )
            notes += read.notes
            if rows == 0:
                notes += known_too_late(path, columns, read.names.observations)
            for name, count in read.missing.items():
                missing[name] = missing.get(name, 0) + count
            widths = own
            rows, before = rows + columns["actions"].rows, before + read.rows
            actions = _finite(columns["actions"])
            if len(actions) == 0:
                raise UserError(f"{path}: no action in it is of finite numbers. Mend the file.")
            two.look(actions)
            low, high = np.minimum(low, actions.min(0)), np.maximum(high, actions.max(0))
        assert widths is not None
        if missing:
            each = ", ".join(f"{name} in {count:,}" for name, count in list(missing.items())[:12])
            notes.append(f"missing values: {each} of {rows:,} rows. {ADVICE}")
        if rows < before:
            share = f"{rows:,} of {before:,} rows ({rows / before:.0%})"
            notes.append(f"dataset.missing={self._missing} leaves {share} in all.")
        notes += two.said(names.actions)
        return _Seen(widths[0], rows, *self._bounds(low, high, names), names, notes)

    def _bounds(
        self, least: NDArray[Any], greatest: NDArray[Any], names: Names
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fill in the bounds that are not given with those of the data."""
        low, high = filled(*self._given, (least, greatest))
        if not (low < high).all():
            number = int(np.argmin(low < high))
            constant = least[number] == greatest[number]
            name = called(names.actions, "action", number)
            advice = f" {name} never changes: leave it out of actions." if constant else ""
            raise UserError(
                f"The bounds of {name} are {low[number]} to {high[number]}. Actions are "
                "scaled by their bounds, so these must differ, and the data's own (from "
                f"{least[number]} to {greatest[number]}) are taken where none are given: set "
                f"dataset.action_low and dataset.action_high, low below high.{advice}"
            )
        return low, high


class _File(NamedTuple):
    """One file, its rows in order."""

    arrays: Arrays
    rows: int
    """Before some were left out for missing values."""
    names: Names
    others: list[str]
    notes: list[str]
    missing: dict[str, int]


def _finite(column: Column) -> NDArray[Any]:
    values = column.read(0, column.rows)
    return np.delete(values, unusable(values), axis=0)


def _shown(names: Names) -> str:
    return ", ".join((*names.observations, *names.actions)[:8])
