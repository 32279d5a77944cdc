"""How far a policy leaves what the data show: against a clone of the policy that made them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.algos.bc import BehaviourCloning
from ivr.data.dataset import OfflineDataset

_ROWS = 1 << 15
COVERED = 0.99
"""Share of the data's actions that lie within the distance that counts as seen."""


@dataclass(frozen=True)
class Overlap:
    """A clone of the data's policy mu, and how far from it the data's own actions lie."""

    clone: BehaviourCloning
    threshold: float
    """The distance within which COVERED of the data's actions lie, in standard deviations."""

    @classmethod
    @torch.no_grad()
    def measured(cls, clone: BehaviourCloning, dataset: OfflineDataset) -> "Overlap":
        """With the threshold of a dataset."""
        found = cls(clone, 0.0)
        distances = [
            found.distance(dataset.observations[rows], dataset.actions[index][None])[0]
            for index, rows in _pieces(dataset.rows)
        ]
        # `torch.quantile` takes no more than 16 million numbers.
        ordered = torch.cat(distances).sort().values
        return cls(clone, float(ordered[round(COVERED * (len(ordered) - 1))]))

    @torch.no_grad()
    def mode(self, observations: Tensor) -> Tensor:
        """The clone's mean action at raw observations (N, O): (N, A), scaled."""
        return self.clone.mode(self.clone.standardise(observations[None]))[0]

    @torch.no_grad()
    def distance(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Standard deviations of mu from its mean, (N, O) and (P, N, A) scaled to (P, N)."""
        deviation = self.clone.actor.clamped_log_std.exp()
        away = (actions - self.mode(observations)) / deviation
        length: Tensor = torch.linalg.vector_norm(away, dim=-1)
        return length

    def outside(self, dataset: OfflineDataset, actions: Tensor) -> Tensor:
        """The share of the states at which actions (P, rows, A) lie beyond the threshold: (P,)."""
        beyond = torch.zeros(len(actions), dtype=torch.float64)
        for _, rows in _pieces(dataset.rows):
            far = self.distance(dataset.observations[rows], actions[:, rows]) > self.threshold
            beyond += far.double().sum(1)
        return beyond / dataset.num_transitions


def _pieces(rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Numbers of transitions and their rows, a part at a time."""
    numbers = torch.arange(len(rows), device=rows.device)
    yield from zip(torch.split(numbers, _ROWS), torch.split(rows, _ROWS), strict=True)
