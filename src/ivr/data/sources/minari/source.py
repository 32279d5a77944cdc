"""Reads a Minari dataset, one episode at a time, and checks what it reads."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.defects import UNREADABLE, Defect, Defects, Report, refuse
from ivr.data.sources.minari.checks import MinariCheck
from ivr.data.sources.source import Episode
from ivr.errors import UserError, printable

_UNREADABLE = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)
"""What the libraries raise at a file that is damaged."""

_PER_STEP = ("actions", "rewards", "terminations", "truncations")


class MinariSource:
    """Reads a Minari dataset on disk; opening it reads its metadata only."""

    clips_actions = True

    def __init__(self, folder: Path) -> None:
        """Read the metadata of the dataset in `folder`, the one above data/.

        Raises:
            UserError: metadata that cannot be read, or spaces that are not supported.
        """
        self.place = str(folder)
        self._data = folder / "data"
        try:
            self.metadata: dict[str, Any] = json.loads((self._data / "metadata.json").read_text())
            self.id = printable(str(self.metadata.get("dataset_id", folder.name)))
            self.env_spec: str | None = self.metadata.get("env_spec")
            self.observation_space = json.loads(self.metadata["observation_space"])
            action_space = json.loads(self.metadata["action_space"])
            self.total_episodes = int(self.metadata["total_episodes"])
            self.total_steps = int(self.metadata["total_steps"])
            self.is_dict = self.observation_space["type"] == "Dict"
            self.boxes = self._boxes()
            self.action_low, self.action_high = self._action_bounds(action_space)
            self._check = MinariCheck(self.id, self.boxes, self.action_low, self.action_high)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self._data / 'metadata.json'} is not the metadata of a Minari dataset "
                f"({error!r}). Fetch the dataset anew, or pass another dataset.path."
            ) from error

    def _boxes(self) -> dict[str, tuple[int, ...]]:
        """List the shapes of an observation's vectors by name; other entries are not read."""
        space = self.observation_space
        spaces = space["subspaces"] if self.is_dict else {"observation": space}
        boxes = {
            key: tuple(box["shape"])
            for key, box in spaces.items()
            if box["type"] == "Box" and len(box["shape"]) == 1
        }
        if "observation" not in boxes:
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
        shape = tuple(space["shape"])
        low = np.broadcast_to(np.array(space["low"], float), shape)
        high = np.broadcast_to(np.array(space["high"], float), shape)
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
            raise UserError(
                f"{self.id}: the action bounds are {low.tolist()} to {high.tolist()}; actions "
                "are scaled by their bounds, so these must be finite, low below high."
            )
        return low, high

    def files(self) -> list[Path]:
        """List all files of the data, sorted."""
        return sorted(path for path in self._data.rglob("*") if path.is_file())

    def episodes(self, report: Report = refuse) -> Iterator[Episode]:
        """Yield the episodes in the order of their numbers, each checked.

        Raises:
            UserError: with the episode, and the step where there is one, of what is wrong.
        """
        with self._opened() as read:
            for number in range(self.total_episodes):
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
                    yield episode

    @contextmanager
    def _opened(self) -> Iterator[Callable[[int], Episode]]:
        """Open the data and give a function that reads the episode of a number."""
        read: Callable[[int], Episode] = self._from_arrow
        with ExitStack() as stack:
            try:
                if self.metadata.get("data_format", "hdf5") == "hdf5":
                    file = stack.enter_context(h5py.File(self._data / "main_data.hdf5", "r"))
                    read = partial(self._from_hdf5, file)
            except _UNREADABLE as error:
                raise UserError(str(self._unreadable(0, error))) from error
            yield read

    def _unreadable(self, number: int, error: Exception) -> Defect:
        what = (
            f"cannot be read: {error}. Its metadata announce {self.total_episodes} episodes; the "
            "file may be cut short or damaged. Fetch the dataset anew, or pass another "
            "dataset.path."
        )
        return Defect(str(self._data), what, number)

    def _from_hdf5(self, file: Any, number: int) -> Episode:
        # Minari's own reader decodes every info as well, which takes several times as long.
        group = file[f"episode_{number}"]
        recorded = group["observations"]
        return Episode(
            {key: recorded[key][()] for key in self.boxes}
            if self.is_dict
            else {"observation": recorded[()]},
            *(group[key][()] for key in _PER_STEP),
        )

    def _from_arrow(self, number: int) -> Episode:
        # Minari's own reader drops what follows the first record batch of an episode (its issue
        # 351: 32,767 rows). Its writer pads all but the observations by a row at the end.
        import pyarrow.dataset as ds

        stored = ds.dataset(
            self._data / str(number),
            format=self.metadata["data_format"],
            ignore_prefixes=["_", ".", "metadata.json"],
        )
        if len(stored.files) != 1:
            raise ValueError(f"its rows lie in {len(stored.files)} files, not in one")
        table = stored.to_table().combine_chunks()
        rows = {name: table[name].combine_chunks() for name in ("observations", *_PER_STEP)}
        observations = rows.pop("observations")
        return Episode(
            {key: _vectors(observations.field(key)) for key in self.boxes}
            if self.is_dict
            else {"observation": _vectors(observations)},
            _vectors(rows["actions"])[:-1],
            *(np.asarray(rows[name])[:-1] for name in _PER_STEP[1:]),
        )


def _vectors(lists: Any) -> NDArray[Any]:
    """Join the lists of an Arrow array, which are equally long: (rows, n)."""
    return np.asarray(lists.flatten()).reshape(len(lists), lists.type.list_size)
