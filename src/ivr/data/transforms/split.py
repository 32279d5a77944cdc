"""Keeps whole episodes out of training, so that something is left to measure on."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.data.transforms.picking import digest, pick
from ivr.errors import UserError, counted


@dataclass(frozen=True)
class Split:
    """`split=0.1`: this share of the episodes is held out, at least one.

    Which ones depends on the split's seed and on what is in each episode (its observations and
    actions) alone: not on the seeds of members, nor on the order in which files or episodes are
    read. Episodes that are equal to the last bit stay on one side.

    Args:
        share: of the episodes, above 0 and below 1.
        seed: another one holds out others.

    Raises:
        UserError: a share outside (0, 1).
    """

    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UserError(f"split={self.share}: must lie from 0 (nothing is held out) to below 1")

    def __call__(self, dataset: OfflineDataset) -> tuple[OfflineDataset, OfflineDataset]:
        """Divide a dataset, as it was recorded, into what is trained on and what is held out.

        Both say so in `info.split`.

        Raises:
            UserError: where one of the two would be empty.
        """
        keys = episode_keys(dataset, self.seed)
        last = keys.sort().values[max(1, round(self.share * len(keys))) - 1]
        chosen = keys <= last
        if chosen.all():
            raise UserError(
                f"split={self.share}: {dataset.info.name} has {counted(len(keys), 'episode')}, "
                "some of which may be equal, and whole ones are held out, so none would be left to "
                "train on. Mark where episodes end, give a smaller share, or leave split out"
            )
        held_out = chosen[dataset.episodes]
        parts = [pick(dataset, side.nonzero().squeeze(-1)) for side in (~held_out, held_out)]
        record: dict[str, Any] = {
            "share": self.share,
            "seed": self.seed,
            "episodes": parts[1].info.episodes,
            "of_episodes": dataset.info.episodes,
            "transitions": parts[1].num_transitions,
            "of_transitions": dataset.num_transitions,
            "fingerprint": parts[1].info.fingerprint,
        }
        trained, kept = (
            dataclasses.replace(part, info=dataclasses.replace(part.info, split=record))
            for part in parts
        )
        return trained, kept


def episode_keys(dataset: OfflineDataset, seed: int) -> Tensor:
    """A number for each episode, evenly spread, from what it holds and a seed: (episodes,) int64.

    Observations with the last one, and actions: neither rewards nor ends, which options relabel.
    """
    first = torch.nonzero(dataset.steps == 0).squeeze(-1)
    last = dataset.ends[first]
    keys = []
    for i, j, row, end in torch.stack(
        (first, last, dataset.rows[first], dataset.rows[last]), 1
    ).tolist():
        content = digest(dataset.observations[row : end + 2], dataset.actions[i : j + 1])
        keys.append(random.key(seed, f"split {content}"))
    return torch.tensor(keys)
