"""Numbered transitions, and whether they came out where they went in.

Observations, actions and rewards say which episode k and step t they are of. They go in as files
of every format and layout, and are looked at where algorithms get them: in `OfflineDataset.gather`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made

LIMIT = 5
"""Most steps of an episode, where nothing else marks its end by time."""

NUMBERS = ("f2", "f4", "f8", ">f4", ">f8", "i1", "u1", "i8", ">i2")


class Kept(NamedTuple):
    """A transition that must come out, in its place."""

    episode: int
    step: int
    terminated: bool
    last: bool  # of its episode


def kept_of(episodes: list[Made], *, has_next: bool, has_terminals: bool = True) -> list[Kept]:
    """The transitions whose next observation is known, or counts for nothing after an end."""
    kept = []
    for k, episode in enumerate(episodes):
        done = has_terminals and episode.end in ("terminal", "both")
        steps = episode.steps if has_next or done else episode.steps - 1
        kept += [Kept(k, t, done and t == steps - 1, t == steps - 1) for t in range(steps)]
    return kept


def rewards_of(observations: np.ndarray) -> np.ndarray:
    return 20 * observations[:, 0] + observations[:, 1]


def check(load: Callable[[], OfflineDataset], kept: list[Kept], unit: float, has_next: bool):
    """What is loaded is all of `kept`, in this order; its actions were `unit` times (k, t)."""
    if not kept:
        with pytest.raises(UserError, match="no transitions"):
            load()
        return
    data = load()
    batch = data.gather(torch.arange(data.num_transitions))
    here = [[one.episode, one.step] for one in kept]
    assert batch.observations[:, :2].tolist() == here
    for one, found in zip(kept, batch.next_observations[:, :2].tolist(), strict=True):
        # Where what came after a terminal state was not recorded, that state may stand in.
        stands_in = one.terminated and not has_next
        assert found == [one.episode, one.step + (0 if stands_in else 1)]
    low, high = (torch.tensor(bound) for bound in (data.info.action_low, data.info.action_high))
    actions = low + (batch.actions + 1) / 2 * (high - low)
    assert torch.allclose(actions / unit, torch.tensor(here).float(), atol=0.3)
    assert batch.rewards.tolist() == [20 * k + t for k, t in here]
    assert batch.terminated.tolist() == [float(one.terminated) for one in kept]
    assert data.truncated.tolist() == [one.last and not one.terminated for one in kept]
    assert data.info.episodes == sum(one.last for one in kept)


def load(folder: Path, **keys: Any) -> OfflineDataset:
    options = {"name": "x", "view": "flat", "cache": folder / "cache", "progress": False}
    return load_dataset(**(options | keys))
