"""A problem of one step whose data's actions have two modes, and whose reward is the action.

A critic that is asked about actions outside the data says that 1 is best; the best that the data
know is near 0.6.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.types import Batch

SIZES = {"observation_dim": 1, "action_low": [-1.0], "action_high": [1.0]}
STATES = torch.linspace(-1, 1, 50).view(1, 50, 1)


@dataclass(frozen=True)
class TwoModes:
    """Chunks of ten updates: half of the actions near 0.6, half near -0.6, in any state."""

    updates: int
    size: int = 128

    def __iter__(self) -> Iterator[Batch]:
        draw = torch.Generator().manual_seed(0)
        for _ in range(self.updates // 10):
            states = 2 * torch.rand(10, 1, self.size, 1, generator=draw) - 1
            mode = 1.2 * torch.randint(2, states.shape, generator=draw) - 0.6
            actions = mode + 0.02 * torch.randn(states.shape, generator=draw)
            ended = torch.ones(10, 1, self.size)
            yield Batch(states, actions, actions.squeeze(-1), ended, states)


def fit(algorithm: OfflineAlgorithm) -> None:
    """Train it on two modes for all of its updates."""
    pl.Trainer(
        accelerator="cpu",
        max_steps=algorithm.num_updates,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(algorithm, TwoModes(algorithm.num_updates))


def q_of(critic: torch.nn.Module, action: float) -> Tensor:
    """The mean over states and critics of Q at an action."""
    with torch.no_grad():
        mean: Tensor = critic(STATES, torch.full_like(STATES, action)).mean()
    return mean
