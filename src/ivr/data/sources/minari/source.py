"""Reads a Minari dataset, one episode at a time, and checks what it reads."""

import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import name_each
from ivr.data.sources.columns import QPOS, QVEL
from ivr.data.sources.defects import UNREADABLE, Defect, Defects, Report, refuse
from ivr.data.sources.hdf5 import claimed_bytes, open_hdf5, own_entry
from ivr.data.sources.limits import check_claim, check_regular
from ivr.data.sources.minari.checks import MinariCheck
from ivr.data.sources.sampled import joined
from ivr.data.sources.source import Bound, Episode, RecordedSteps, States, check_bounds, filled
from ivr.data.sources.terminals import AS_RECORDED, Terminals
from ivr.errors import UserError, printable

_UNREADABLE = (
    OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError,
    MemoryError,
)  # fmt: skip
"""What the libraries raise at a file that is damaged."""

_LONGEST = 32 << 20
"""Bytes of metadata."""

_WIDEST = 1 << 20
"""Numbers of an observation or an action."""

_FORMATS = ("hdf5", "arrow", "parquet")
"""Minari's own."""

_PER_STEP = ("actions", "rewards", "terminations", "truncations")


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
        try:
            self.metadata: dict[str, Any] = json.loads(_text(self._data / "metadata.json"))
            self.id = printable(str(self.metadata.get("dataset_id", folder.name)))
            self.env_spec: str | None = self.metadata.get("env_spec")
            self.observation_space = json.loads(self.metadata["observation_space"])
            action_space = json.loads(self.metadata["action_space"])
            self.total_episodes = self._count("total_episodes")
            self.total_steps = self._count("total_steps")
            self._format = self.metadata.get("data_format", "hdf5")
            if self._format not in _FORMATS:
                raise ValueError(f"data_format is none of {', '.join(_FORMATS)}")
            self.is_dict = self.observation_space["type"] == "Dict"
            self.boxes = self._boxes()
            recorded = self._action_bounds(action_space)
        except _UNREADABLE as error:
            raise UserError(
                f"{self._data / 'metadata.json'} is not the metadata of a Minari dataset "
                f"({error!r}). Fetch the dataset anew, or pass another dataset.path."
            ) from error

        # Only what is given: it decides, with the rest, which cache is used.
        for key, bound in (("action_low", action_low), ("action_high", action_high)):
            if bound is not None:
                self.metadata[f"dataset.{key}"] = bound
        low, high = self.action_low, self.action_high = filled(action_low, action_high, recorded)
        check_bounds(self.id, low, high)
        self._check = MinariCheck(self.id, self.boxes, low, high, clip)
        boxes = self.boxes.items() if self.is_dict else ()
        self.names = {key: tuple(name_each(key, shape[0])) for key, shape in boxes}

    def _count(self, name: str) -> int:
        value = self.metadata[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name} is {value!r:.80}; it should be a whole number from 0")
        return value

    def _boxes(self) -> dict[str, tuple[int, ...]]:
        """List the shapes of an observation's vectors by name."""
        space = self.observation_space
        spaces = space["subspaces"] if self.is_dict else {"observation": space}
        boxes = {
            key: _shape(box)
            for key, box in spaces.items()
            if box["type"] == "Box" and len(box["shape"]) == 1
        }
        self.unread = tuple(sorted(spaces.keys() - boxes.keys()))
        if not boxes:
            kinds = {key: (box["type"], box.get("shape")) for key, box in spaces.items()}
            raise UserError(
                f"{self.id}: only vectors (Box of one axis) are supported as observations, and "
                f"there is {kinds}."
            )
        return boxes

    def _action_bounds(self, space: dict[str, Any]) -> tuple[NDArray[np.float64], ...]:
        if space["type"] != "Box" or len(space["shape"]) != 1:
            raise UserError(
                f"{self.id}: the action space is {space['type']}; only continuous vectors (Box "
                "of one axis) are supported."
            )
        shape = _shape(space)
        low = np.broadcast_to(np.array(space["low"], float), shape)
        high = np.broadcast_to(np.array(space["high"], float), shape)
        return low, high

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
                except _UNREADABLE as error:
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
                    episode, recorded = read(number), self._recorded_states(number)
                    misshapen = next(self._check.shapes(number, episode), None)
                except _UNREADABLE as error:
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
        read: Callable[[int], Episode] = self._from_arrow
        with ExitStack() as stack:
            try:
                if self._format == "hdf5":
                    file = stack.enter_context(open_hdf5(self._hdf5))
                    read = partial(self._from_hdf5, file)
                    names = list(file)
                else:
                    names = [f"episode_{path.name}" for path in self._data.iterdir()]
            except _UNREADABLE as error:
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

    def _recorded_states(self, number: int) -> States | None:
        """MuJoCo's states of an episode, one for each observation; None where there are none."""
        if self._format != "hdf5":
            return None
        with open_hdf5(self._hdf5) as file:
            try:
                stored = [own_entry(file, f"episode_{number}/{name}") for name in (QPOS, QVEL)]
            except KeyError:
                return None
            check_claim(self._hdf5, claimed_bytes(stored))
            states = States(*(one[()] for one in stored))
        fit = all(np.ndim(part) == 2 and part.dtype.kind == "f" for part in states)
        return states if fit else None

    def _from_hdf5(self, file: Any, number: int) -> Episode:
        # Minari's own reader decodes every info as well, which takes several times as long.
        episode = own_entry(file, f"episode_{number}")
        seen = [own_entry(episode, "observations")]
        if self.is_dict:
            seen = [own_entry(seen[0], key) for key in self.boxes]
        stored = [*seen, *(own_entry(episode, name) for name in _PER_STEP)]
        check_claim(self._hdf5, claimed_bytes(stored))
        read = [one[()] for one in stored]
        return Episode(dict(zip(self.boxes, read, strict=False)), *read[len(seen) :])

    def _from_arrow(self, number: int) -> Episode:
        # Minari's own reader drops what follows the first record batch of an episode (its issue
        # 351: 32,767 rows). Its writer pads all but the observations by a row at the end.
        import pyarrow.dataset as ds

        folder = self._data / str(number)
        for path in folder.rglob("*"):
            check_regular(path)
        stored = ds.dataset(
            folder,
            format=self._format,
            ignore_prefixes=["_", ".", "metadata.json"],
        )
        if len(stored.files) != 1:
            raise ValueError(f"its rows lie in {len(stored.files)} files, not in one")
        names = ["observations", *_PER_STEP]
        width = sum(_row_bytes(stored.schema.field(name).type) for name in names)
        check_claim(Path(stored.files[0]), stored.count_rows() * width)
        table = stored.to_table(names).combine_chunks()
        rows = {name: table[name].combine_chunks() for name in names}
        observations = rows.pop("observations")
        return Episode(
            {key: _vectors(observations.field(key)) for key in self.boxes}
            if self.is_dict
            else {"observation": _vectors(observations)},
            _vectors(rows["actions"])[:-1],
            *(np.asarray(rows[name])[:-1] for name in _PER_STEP[1:]),
        )


def _text(path: Path) -> str:
    """Read a file of metadata; an image's bounds take 10 MB there, and nothing takes more."""
    if path.stat().st_size > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST:,} bytes")
    return path.read_text("utf-8")


def _shape(space: dict[str, Any]) -> tuple[int, ...]:
    shape = tuple(space["shape"])
    if not all(isinstance(size, int) and 0 < size <= _WIDEST for size in shape):
        raise ValueError(f"a space has the shape {shape}")
    return shape


def _row_bytes(kind: Any) -> int:
    """Count the bytes that a row of an Arrow type takes; 0 where its length may vary."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return sum(_row_bytes(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size * _row_bytes(kind.value_type))
    return max(1, kind.bit_width // 8) if pa.types.is_primitive(kind) else 0


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


def _vectors(lists: Any) -> NDArray[Any]:
    """Join the lists of an Arrow array, which are equally long: (rows, n)."""
    return np.asarray(lists.flatten()).reshape(len(lists), lists.type.list_size)
