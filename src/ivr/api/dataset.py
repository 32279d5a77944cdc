"""Data as every training sees them, in numpy and in their own units."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ivr.api.options import merged
from ivr.config.call import compose_command

if TYPE_CHECKING:
    from ivr.data.dataset import DatasetInfo, OfflineDataset

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Dataset:
    """N transitions, converted and checked; `ivr.train(dataset=...)` takes it."""

    options: Mapping[str, Any]
    """What names it on the command line, such as {"dataset": "hopper-medium"}."""
    content: "OfflineDataset"
    """The tensors, with actions scaled to [-1, 1]."""

    def __len__(self) -> int:
        """N."""
        return self.content.num_transitions

    def __repr__(self) -> str:
        return (
            f"Dataset({self.info.name}: {len(self):,} transitions, {self.info.episodes:,} episodes,"
            f" {self.observations.shape[1]} observations, {self.actions.shape[1]} actions)"
        )

    @property
    def info(self) -> "DatasetInfo":
        """Facts: name, source, fingerprint, episodes, bounds and so on."""
        return self.content.info

    @property
    def fingerprint(self) -> str:
        """Hash of the transitions: equal exactly when the data are."""
        return self.info.fingerprint

    @cached_property
    def observations(self) -> Floats:
        """(N, O), raw."""
        return self.content.observations[self.content.rows].numpy()

    @cached_property
    def next_observations(self) -> Floats:
        """(N, O), raw."""
        return self.content.observations[self.content.rows + 1].numpy()

    @cached_property
    def actions(self) -> Floats:
        """(N, A), in the units of their bounds."""
        low = np.array(self.info.action_low, np.float32)
        high = np.array(self.info.action_high, np.float32)
        scaled: Floats = self.content.actions.numpy()
        return low + (scaled + np.float32(1)) / np.float32(2) * (high - low)

    @cached_property
    def rewards(self) -> Floats:
        """(N,), as they were recorded, or relabelled; training scales and shifts them."""
        rewards: Floats = self.content.rewards.numpy()
        return (rewards - np.float32(self.info.reward_shift)) / np.float32(self.info.reward_scale)

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """(N,), True where the task ended: nothing is worth anything afterwards."""
        return self.content.terminated.numpy()

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """(N,), True where only the recording stopped."""
        return self.content.truncated.numpy()

    @cached_property
    def episode(self) -> NDArray[np.int64]:
        """(N,), the number of each transition's episode."""
        return self.content.episodes.numpy()


def load_dataset(name: str | None = None, /, **options: Any) -> Dataset:
    """Load the data that `dataset=NAME` names on the command line.

    The first call fetches or makes what is not on this machine, and converts it.

    Args:
        name: a file of conf/dataset/; left out for files of one's own, given as path="log.csv".
        options: the dataset's, without their prefix: path="log.csv" is dataset.path=log.csv,
            action_low=-1 is dataset.action_low=-1.

    Raises:
        UserError: no such dataset or option, or data with a defect.
    """
    if name is None and "path" in options:
        name = "arrays"
    given = merged({"dataset": name}, {f"dataset.{key}": value for key, value in options.items()})
    config = compose_command("inspect_data", given).config
    from ivr.config.options import InspectConfig
    from ivr.data.load import load_dataset as load
    from ivr.data.opening import check_available, within
    from ivr.evaluation.task.build import bounds_of

    chosen = InspectConfig.parse(config)
    check_available(chosen.data)
    return Dataset(given, load(within(chosen.data, lambda: bounds_of(chosen.task))))


def dataset_options(dataset: str | Path | Dataset | None) -> dict[str, Any]:
    """The options that name data on the command line; none for None."""
    if dataset is None:
        return {}
    if isinstance(dataset, Dataset):
        return dict(dataset.options)
    return {"dataset": dataset}
