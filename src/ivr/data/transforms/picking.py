"""Makes a dataset of some transitions of another, over the same mapped observations."""

import dataclasses
import hashlib
from typing import Any

import torch
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset


def pick(dataset: OfflineDataset, index: Tensor, **info: Any) -> OfflineDataset:
    """Pick the transitions at `index`; the observations stay mapped and are not copied.

    Where a transition is left out an episode ends: the piece before it is truncated there, and what
    follows is an episode of its own.

    Args:
        dataset: with rewards as they were recorded, whose sums are the new episodes' returns.
        index: (M,) int64, ascending, at least one.
        info: facts to change besides those that follow from the choice.
    """
    rows = dataset.rows[index]
    ends = torch.ones_like(rows, dtype=torch.bool)
    ends[:-1] = breaks(rows)
    terminated, rewards = dataset.terminated[index], dataset.rewards[index]
    truncated = ends & ~terminated
    episode = ends.long().cumsum(0) - ends.long()
    returns = torch.zeros(int(ends.sum()), dtype=torch.float64)
    facts: dict[str, Any] = {
        "fingerprint": digest(dataset.info.fingerprint, rows, truncated),
        "transitions": len(rows),
        "episodes": len(returns),
    }
    return OfflineDataset(
        observations=dataset.observations,
        actions=dataset.actions[index],
        rewards=rewards,
        terminated=terminated,
        truncated=truncated,
        rows=rows,
        episode_returns=returns.index_add(0, episode, rewards.double()),
        info=dataclasses.replace(dataset.info, **(facts | info)),
    )


def breaks(rows: Tensor) -> Tensor:
    """Find where an episode ends between a transition and the next, (N - 1,): a row is skipped.

    The row after an episode's last transition holds its last observation, so no other episode
    can begin there.
    """
    return rows[1:] != rows[:-1] + 1


def episode_lengths(dataset: OfflineDataset) -> Tensor:
    """Count the transitions of each episode, (episodes,)."""
    return torch.bincount(dataset.episodes, minlength=dataset.info.episodes)


def random_transitions(dataset: OfflineDataset, count: int, seed: int, purpose: str) -> Tensor:
    """Draw exactly `count` transitions, ascending: episodes in random order, the last one cut.

    A function of the data, (seed, purpose) and `count`; a smaller count picks a part of what a
    larger one does.
    """
    lengths = episode_lengths(dataset)
    order = torch.randperm(len(lengths), generator=random.generator(seed, purpose))
    before = lengths[order].cumsum(0) - lengths[order]
    kept = torch.zeros_like(lengths)
    kept[order] = torch.minimum(lengths[order], (count - before).clamp(min=0))
    step = torch.arange(dataset.num_transitions) - dataset.starts
    return (step < kept[dataset.episodes]).nonzero().squeeze(-1)


def digest(*parts: Any) -> str:
    """Hash text, numbers and tensors to a fingerprint."""
    content = hashlib.blake2b(digest_size=16)
    for part in parts:
        content.update(part.numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode())
    return content.hexdigest()
