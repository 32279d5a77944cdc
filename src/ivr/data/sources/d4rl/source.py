"""Reads D4RL's flat HDF5 files, one row a transition, and checks what it reads.

Format: https://github.com/Farama-Foundation/D4RL/wiki/Tasks, and `qlearning_dataset` there.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ivr.data.sources.d4rl.columns import open_columns, recorded_id
from ivr.data.sources.defects import Report, refuse
from ivr.data.sources.rows import Checks, episodes
from ivr.data.sources.sampled import joined, sample_rows
from ivr.data.sources.source import Bound, Episode, RecordedSteps, check_bounds, filled
from ivr.data.sources.terminals import AS_RECORDED, Terminals
from ivr.errors import UserError

_ADVICE = (
    "D4RL's format records no bounds, so they are the environment's, or -1 to 1 without one: give "
    "others, dataset.action_low=... dataset.action_high=..., or dataset.actions=clip to have such "
    "actions clipped."
)


class D4RLSource:
    """Reads files whose episodes follow each other, see `rows`; opening reads headers only."""

    is_dict = False
    unread: tuple[str, ...] = ()
    env_spec: str | None = None
    differs: str | None = None
    total_episodes: int | None = None
    notes: tuple[str, ...] = ()
    names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    action_names: tuple[str, ...] = ()

    def __init__(
        self,
        paths: Sequence[Path],
        limit: int | None,
        published: bool = False,
        terminals: Terminals = AS_RECORDED,
        action_low: Bound = None,
        action_high: Bound = None,
        clip: bool = False,
    ) -> None:
        """Check the headers of `paths`.

        Args:
            paths: at least one file.
            limit: most steps of an episode, for files in which nothing else marks a time-out.
            published: whether they are D4RL's own. Actions beyond the bounds are then clipped, and
                where next_observations are missing, transitions are those of D4RL's
                `qlearning_dataset`.
            terminals: how they are read.
            action_low: the least action, for all of its numbers or one for each; None for -1.
            action_high: the greatest likewise; None for 1.
            clip: take actions beyond the bounds, to be clipped to them.

        Raises:
            UserError: a file that cannot be read or breaks the format, or files of other shapes.
        """
        self._paths, self._limit, self._terminals = list(paths), limit, terminals
        self.clips_actions = published or clip
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
        one = np.ones(widths[1])
        self.action_low, self.action_high = filled(action_low, action_high, (-one, one))
        check_bounds(self.id, self.action_low, self.action_high)
        # Only what is not D4RL's: it decides, with the rest, which cache is used.
        if not (np.array_equal(self.action_low, -one) and np.array_equal(self.action_high, one)):
            self.metadata["bounds"] = [self.action_low.tolist(), self.action_high.tolist()]

    def files(self) -> list[Path]:
        """The files, in the order in which their episodes follow each other."""
        return self._paths

    def episodes(self, report: Report = refuse) -> Iterator[Episode]:
        """Yield the episodes in the order of their rows, each checked.

        Raises:
            UserError: with the row, and episode and step where known, of what is wrong.
        """
        checks = Checks(self.action_low, self.action_high, _ADVICE)
        for path in self._paths:
            with open_columns(path) as columns:
                qlearning = self._published and "next_observations" not in columns
                yield from episodes(
                    path, columns, self._limit, checks, report, qlearning, self._terminals
                )

    def sample(self, places: Sequence[float], length: int) -> RecordedSteps:
        """Take a few steps; see `Source.sample`."""
        rows = (np.array(places) * self.total_steps).astype(int)
        parts: list[RecordedSteps] = []
        for path in self._paths:
            with open_columns(path, states=True) as columns:
                total = columns["rewards"].rows
                own = rows[(rows >= 0) & (rows < total)].tolist()
                parts += sample_rows(
                    path, columns, own, length, self._limit, self._terminals.mark_time
                )
                rows = rows - total
        return joined(parts)
