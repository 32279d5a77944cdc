"""Reads D4RL's flat HDF5 files, one row a transition, and checks what it reads.

Format: https://github.com/Farama-Foundation/D4RL/wiki/Tasks, and `qlearning_dataset` there.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ivr.data.sources.d4rl.columns import open_columns, recorded_id
from ivr.data.sources.defects import Report, refuse
from ivr.data.sources.rows import Bounds, episodes
from ivr.data.sources.sampled import joined, sample_rows
from ivr.data.sources.source import Episode, RecordedSteps
from ivr.data.sources.terminals import AS_RECORDED, Terminals
from ivr.errors import UserError

_ADVICE = (
    "D4RL's format records no bounds, so actions must be scaled to these; or save the columns with "
    "np.savez and read that file with dataset=arrays, which takes bounds (terminals are called "
    "terminated there, timeouts truncated); or write a Minari dataset, which records its own."
)


class D4RLSource:
    """Reads files whose episodes follow each other, see `rows`; opening reads headers only."""

    is_dict = False
    unread: tuple[str, ...] = ()
    env_spec: str | None = None
    differs: str | None = None
    total_episodes: int | None = None

    def __init__(
        self,
        paths: Sequence[Path],
        limit: int | None,
        published: bool = False,
        terminals: Terminals = AS_RECORDED,
    ) -> None:
        """Check the headers of `paths`.

        Args:
            paths: at least one file.
            limit: most steps of an episode, for files in which nothing else marks a time-out.
            published: whether they are D4RL's own. Actions beyond the bounds are then clipped, and
                where next_observations are missing, transitions are those of D4RL's
                `qlearning_dataset`.
            terminals: how they are read.

        Raises:
            UserError: a file that cannot be read or breaks the format, or files of other shapes.
        """
        self._paths, self._limit, self._terminals = list(paths), limit, terminals
        self.clips_actions = published
        self._published = published
        names = []
        self.place = ", ".join(str(path.parent) for path in paths)
        self.metadata: dict[str, Any] = {}
        self.total_steps = 0
        widths: tuple[int, int] | None = None
        for path in paths:
            names.append(recorded_id(path) or path.name)
            with open_columns(path) as columns:
                own = columns["observations"].width, columns["actions"].width
                self.total_steps += columns["rewards"].rows
                if "next_observations" not in columns:  # then the limit may cut; see `ends`
                    self.metadata["limit"] = limit
                    if published:
                        self.metadata["qlearning"] = True
            if widths not in (None, own):
                raise UserError(
                    f"dataset.path: {path} has observations and actions of {own} numbers, "
                    f"{paths[0]} has {widths}. Only files of one environment can be joined."
                )
            widths = own
        self.id = " + ".join(names)
        assert widths is not None
        self.boxes: dict[str, tuple[int, ...]] = {"observation": (widths[0],)}
        self.action_low, self.action_high = -np.ones(widths[1]), np.ones(widths[1])

    def files(self) -> list[Path]:
        """The files, in the order in which their episodes follow each other."""
        return self._paths

    def episodes(self, report: Report = refuse) -> Iterator[Episode]:
        """Yield the episodes in the order of their rows, each checked.

        Raises:
            UserError: with the row, and episode and step where known, of what is wrong.
        """
        bounds = Bounds(self.action_low, self.action_high, _ADVICE)
        for path in self._paths:
            with open_columns(path) as columns:
                qlearning = self._published and "next_observations" not in columns
                yield from episodes(
                    path, columns, self._limit, bounds, report, qlearning, self._terminals
                )

    def sample(self, places: Sequence[float], length: int) -> RecordedSteps:
        """Take a few steps; see `Source.sample`."""
        rows = (np.array(places) * self.total_steps).astype(int)
        parts: list[RecordedSteps] = []
        for path in self._paths:
            with open_columns(path, states=True) as columns:
                total = columns["rewards"].rows
                own = rows[(rows >= 0) & (rows < total)].tolist()
                parts += sample_rows(path, columns, own, length, self._limit)
                rows = rows - total
        return joined(parts)
