"""A task whose values are known: r = -(a - s)^2, s and a even in [-1, 1], s' drawn anew.

The policy a = k s earns -(k - 1)^2 E[s^2] = -(k - 1)^2/3 at each step, 1/(1 - gamma) times in all.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.data.dataset import DatasetInfo, OfflineDataset
from ivr.selection.candidates import Candidate, Group, PolicySet
from ivr.selection.options import Options

DISCOUNT = 0.5
GAINS = (-1.0, 1.0, 0.0)
SMALL = Options(
    num_updates=600, batch_size=64, critics=4, hidden=(32,), critic_lr=5e-3, target_tau=0.2,
    cloning_updates=100, horizon=3,
)  # fmt: skip


@dataclass
class Tracking:
    """The policies a = k s."""

    gains: Tensor  # (R,)

    def act(self, observations: Tensor) -> Tensor:
        return self.gains[:, None, None] * observations

    def state_value(self, observations: Tensor) -> Tensor | None:
        return None


def policies(gains: tuple[float, ...] = GAINS) -> PolicySet:
    named = [Candidate(f"k={gain:g}", update=i) for i, gain in enumerate(gains)]
    group = Group(Tracking(torch.tensor(gains)), named, range(len(gains)), len(gains))
    return PolicySet([group])


def dataset(episodes: int = 120, steps: int = 5) -> OfflineDataset:
    generator = torch.Generator().manual_seed(0)
    states = 2 * torch.rand(episodes, steps + 1, 1, generator=generator) - 1
    actions = 2 * torch.rand(episodes, steps, 1, generator=generator) - 1
    rewards = -(actions - states[:, :-1]).square().squeeze(-1)
    count = episodes * steps
    rows = (torch.arange(episodes)[:, None] * (steps + 1) + torch.arange(steps)).flatten()
    ends = torch.arange(steps).eq(steps - 1).repeat(episodes)
    info = DatasetInfo("tracking", "here", "0", count, episodes, (-1.0,), (1.0,), None, None)
    return OfflineDataset(
        states.flatten(0, 1), actions.flatten(0, 1), rewards.flatten(), torch.zeros_like(ends),
        ends, rows, rewards.double().sum(1), info,
    )  # fmt: skip


def value(gain: float) -> float:
    return -((gain - 1) ** 2) / 3 / (1 - DISCOUNT)
