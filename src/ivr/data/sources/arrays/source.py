"""Reads a user's own transitions from .npz, Parquet or CSV files, and checks what it reads."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.arrays.columns import columns_of, say_what_is_missing
from ivr.data.sources.arrays.files import read_arrays
from ivr.data.sources.defects import Report, ignore, refuse
from ivr.data.sources.rows import Bounds, episodes
from ivr.data.sources.sampled import joined, sample_rows
from ivr.data.sources.source import Bound, Episode, RecordedSteps, filled, unusable
from ivr.data.sources.terminals import AS_RECORDED, Terminals
from ivr.errors import UserError


class _Seen(NamedTuple):
    """Sizes and bounds, found by reading all files once."""

    width: int
    rows: int
    low: NDArray[np.float64]  # (A,)
    high: NDArray[np.float64]  # (A,)


class ArraysSource:
    """Reads files of transitions as conf/dataset/arrays.yaml describes them; opening reads nothing.

    An episode ends where terminated or truncated is set, on the last row of each number in
    `episode`, where next_observations is not the next row's observation, and at the end of each
    file: rows of two files are never taken for neighbours. Each file is read whole, one at a time.
    """

    is_dict = False
    unread: tuple[str, ...] = ()
    clips_actions = False
    env_spec: str | None = None
    differs: str | None = None
    total_episodes: int | None = None

    def __init__(
        self,
        paths: Sequence[Path],
        action_low: Bound,
        action_high: Bound,
        terminals: Terminals = AS_RECORDED,
    ) -> None:
        """Keep the names of the files.

        Args:
            paths: at least one.
            action_low: bounds of actions, for all of their numbers or one for each; None for the
                least that the data hold; action_high likewise.
            terminals: how they are read.
        """
        self._paths, self._given = list(paths), (action_low, action_high)
        self._terminals = terminals
        names = [path.name for path in paths]
        self.id = " + ".join(names) if len(names) < 4 else f"{len(names)} files from {names[0]}"
        self.place = ", ".join(sorted({str(path.parent) for path in paths}))
        self.metadata: dict[str, Any] = {"action_low": action_low, "action_high": action_high}

    @property
    def boxes(self) -> dict[str, tuple[int, ...]]:
        """The width of an observation."""
        return {"observation": (self._seen.width,)}

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
            "Mend the data, or set dataset.action_low and dataset.action_high wide enough; where "
            "none are given they are the environment's."
        )
        bounds = Bounds(self.action_low, self.action_high, advice)
        for path in self._paths:
            columns = columns_of(path, read_arrays(path)[0], report)
            limit = columns["rewards"].rows
            yield from episodes(path, columns, limit, bounds, report, terminals=self._terminals)

    def sample(self, places: Sequence[float], length: int) -> RecordedSteps:
        """Take a few steps; see `Source.sample`. Each file is read whole."""
        parts: list[RecordedSteps] = []
        shares = np.array(places) * len(self._paths)
        for number, path in enumerate(self._paths):
            within = shares[shares.astype(int) == number] - number
            if len(within):
                columns = columns_of(path, read_arrays(path)[0], ignore)
                total = columns["rewards"].rows
                rows = (within * total).astype(int).tolist()
                parts += sample_rows(path, columns, rows, length, total)
        return joined(parts)

    @cached_property
    def _seen(self) -> _Seen:
        widths: tuple[int, int] | None = None
        rows = 0
        low: NDArray[Any] = np.array(np.inf)
        high: NDArray[Any] = np.array(-np.inf)
        for path in self._paths:
            arrays, others = read_arrays(path)
            columns = columns_of(path, arrays, ignore)  # what it ignores `episodes` reports
            own = columns["observations"].width, columns["actions"].width
            if widths not in (None, own):
                raise UserError(
                    f"dataset.path: {path} has observations and actions of {own} numbers, "
                    f"{self._paths[0]} has {widths}. Only files of one kind can be joined."
                )
            if widths is None:
                say_what_is_missing(path, arrays, others, self._terminals)
            widths = own
            rows += columns["actions"].rows
            actions = columns["actions"].read(0, columns["actions"].rows)
            actions = np.delete(actions, unusable(actions), axis=0)
            if len(actions) == 0:
                raise UserError(f"{path}: no action in it is of finite numbers. Mend the file.")
            low, high = np.minimum(low, actions.min(0)), np.maximum(high, actions.max(0))
        assert widths is not None
        return _Seen(widths[0], rows, *self._bounds(low, high))

    def _bounds(
        self, least: NDArray[Any], greatest: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fill in the bounds that are not given with those of the data."""
        low, high = filled(*self._given, (least, greatest))
        if not (low < high).all():
            number = int(np.argmin(low < high))
            constant = least[number] == greatest[number]
            advice = " A control that never changes can be left out of actions." if constant else ""
            raise UserError(
                f"The bounds of action {number} are {low[number]} to {high[number]}. Actions are "
                "scaled by their bounds, so these must differ, and the data's own (from "
                f"{least[number]} to {greatest[number]}) are taken where none are given: set "
                f"dataset.action_low and dataset.action_high, low below high.{advice}"
            )
        return low, high
