"""Reads a Minari dataset, one episode at a time, and checks what it reads."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from ivr.agreement.names import name_each
from ivr.data.sources.defects import UNREADABLE, Defect, Defects, Report, refuse
from ivr.data.sources.hdf5 import open_hdf5
from ivr.data.sources.minari.arrow import read_arrow
from ivr.data.sources.minari.checks import MinariCheck
from ivr.data.sources.minari.hdf5 import read_hdf5, recorded_states
from ivr.data.sources.minari.metadata import UNREADABLE_FILE, read_metadata
from ivr.data.sources.sampled import joined
from ivr.data.sources.source import Bound, Episode, RecordedSteps, States, check_bounds, filled
from ivr.data.sources.terminals import AS_RECORDED, Terminals
from ivr.errors import UserError


class MinariSource:
    """Reads a Minari dataset on disk; opening it reads its metadata only."""

    differs: str | None = None
    notes: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()

    def __init__(
        self,
        folder: Path,
        action_low: Bound = None,
        action_high: Bound = None,
        terminals: Terminals = AS_RECORDED,
        clip: bool = True,
    ) -> None:
        """Read the metadata of a dataset.

        Args:
            folder: the one above data/.
            action_low: bounds of actions in the place of the recorded ones, for all of their
                numbers or one for each; action_high likewise.
            terminals: how they are read.
            clip: take actions beyond the bounds, to be clipped to them.

        Raises:
            UserError: metadata that cannot be read, or spaces that are not supported.
        """
        self.place = str(folder)
        self._terminals, self.clips_actions = terminals, clip
        self._data = folder / "data"
        self._hdf5 = self._data / "main_data.hdf5"
        described = self._described = read_metadata(self._data / "metadata.json")
        self._in_hdf5 = described.data_format == "hdf5"
        self.id, self.env_spec = described.id, described.env_spec
        self.total_episodes, self.total_steps = described.total_episodes, described.total_steps
        self.is_dict, self.boxes, self.unread = described.is_dict, described.boxes, described.unread
        self.metadata = dict(described.facts)
        # Only what is given: it decides, with the rest, which cache is used.
        for key, bound in (("action_low", action_low), ("action_high", action_high)):
            if bound is not None:
                self.metadata[f"dataset.{key}"] = bound
        low, high = self.action_low, self.action_high = filled(
            action_low, action_high, described.action_bounds
        )
        check_bounds(self.id, low, high)
        self._check = MinariCheck(self.id, self.boxes, low, high, clip)
        boxes = self.boxes.items() if self.is_dict else ()
        self.names = {key: tuple(name_each(key, shape[0])) for key, shape in boxes}

    def files(self) -> list[Path]:
        """List all files of the data, sorted."""
        return sorted(path for path in self._data.rglob("*") if path.is_file())

    def episodes(self, report: Report = refuse) -> Iterator[Episode]:
        """Yield the episodes in the order of their numbers, each checked.

        Raises:
            UserError: with the episode, and the step where there is one, of what is wrong.
        """
        steps: list[int] = []
        with self._opened() as (held, read):
            # Sorted and different, so that these two say whether they are those announced.
            if len(held) != self.total_episodes or held[-1:] not in ([], [len(held) - 1]):
                report(Defects.one(UNREADABLE, self._miscounted(held)))
            for number in held:
                try:
                    episode = read(number)
                    misshapen = list(self._check.shapes(number, episode))
                    others = [] if misshapen else list(self._check.numbers(number, episode))
                except UNREADABLE_FILE as error:
                    report(Defects.one(UNREADABLE, self._unreadable(number, error)))
                    continue
                for defects in misshapen + others:
                    report(defects)
                if not misshapen:
                    steps.append(len(episode.actions))
                    yield self._terminals.read(episode)
        if len(steps) == self.total_episodes and sum(steps) != self.total_steps:
            warnings.warn(
                f"{self._data / 'metadata.json'}: total_steps is {self.total_steps:,}, and the "
                f"episodes hold {sum(steps):,} steps. They are taken as they are.",
                stacklevel=2,
            )

    def sample(self, places: Sequence[float], length: int) -> RecordedSteps:
        """Take a few steps; see `Source.sample`."""
        parts: list[RecordedSteps] = []
        with self._opened() as (held, read):
            for place in np.array(places) * len(held):
                if not held:
                    break
                number = held[int(place)]
                try:
                    episode = read(number)
                    recorded = recorded_states(self._hdf5, number) if self._in_hdf5 else None
                    misshapen = next(self._check.shapes(number, episode), None)
                except UNREADABLE_FILE as error:
                    raise UserError(str(self._unreadable(number, error))) from error
                if misshapen is not None:
                    continue
                steps = len(episode.actions)
                start = int(place % 1 * max(steps - length + 1, 1))
                stop = min(start + length, steps)
                if start < stop:
                    parts.append(_cut(episode, recorded, start, stop))
        return joined(parts)

    @contextmanager
    def _opened(self) -> Iterator[tuple[list[int], Callable[[int], Episode]]]:
        """Open the data; give the episodes' numbers, sorted, and a function that reads one."""
        read: Callable[[int], Episode] = partial(read_arrow, self._data, self._described)
        with ExitStack() as stack:
            try:
                if self._in_hdf5:
                    file = stack.enter_context(open_hdf5(self._hdf5))
                    read = partial(read_hdf5, file, self._described)
                    names = list(file)
                else:
                    names = [f"episode_{path.name}" for path in self._data.iterdir()]
            except UNREADABLE_FILE as error:
                raise UserError(str(self._unreadable(0, error))) from error
            found = (re.fullmatch("episode_(0|[1-9][0-9]{0,17})", name) for name in names)
            yield sorted(int(match[1]) for match in found if match), read

    def _miscounted(self, held: list[int]) -> Defect:
        numbers = f", numbered from {held[0]} to {held[-1]}" if held else ""
        what = (
            f"total_episodes is {self.total_episodes:,}, and the data hold {len(held):,} "
            f"episodes{numbers}. Fetch the dataset anew; or, if nothing is missing, number the "
            f"episodes from 0 and set total_episodes to {len(held)}."
        )
        return Defect(str(self._data / "metadata.json"), what)

    def _unreadable(self, number: int, error: Exception) -> Defect:
        what = (
            f"cannot be read: {error}. The file may be cut short or damaged. Fetch the dataset "
            "anew, or pass another dataset.path."
        )
        return Defect(str(self._data), what, number)


def _cut(episode: Episode, recorded: States | None, start: int, stop: int) -> RecordedSteps:
    """Take the steps start..stop-1 of an episode."""
    observed = episode.observations.items()
    if recorded is not None and min(map(len, recorded)) < len(episode.actions):
        recorded = None
    return RecordedSteps(
        {key: values[start:stop] for key, values in observed},
        episode.actions[start:stop],
        {key: values[start + 1 : stop + 1] for key, values in observed},
        None if recorded is None else States(*(part[start:stop] for part in recorded)),
    )
