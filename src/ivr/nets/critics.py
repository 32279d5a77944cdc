"""State values and state-action values."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ivr.nets.mlp import MLP


class StateValue(nn.Module):
    """V(s) of R runs."""

    def __init__(
        self,
        observation_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
        layer_norm: bool,
    ) -> None:
        super().__init__()
        sizes = (observation_dim, *hidden, 1)
        self.mlp = MLP(sizes, (len(generators),), generators, layer_norm)

    def forward(self, observations: Tensor) -> Tensor:
        """(R, N, O) to (R, N)."""
        values: Tensor = self.mlp(observations)
        return values.squeeze(-1)


class EnsembleCritic(nn.Module):
    """Q(s, a) of R runs, K critics each.

    Args:
        observation_dim, action_dim, hidden, generators, layer_norm, last_gain: see `MLP`.
        critics: K.
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
        critics: int,
        layer_norm: bool = True,
        last_gain: float = math.sqrt(2),
    ) -> None:
        super().__init__()
        sizes = (observation_dim + action_dim, *hidden, 1)
        self.mlp = MLP(sizes, (len(generators), critics), generators, layer_norm, last_gain)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """(R, N, O) and (R, N, A) to (R, K, N)."""
        values: Tensor = self.mlp(torch.cat((observations, actions), -1))
        return values.squeeze(-1)


class TwinCritic(EnsembleCritic):
    """Q(s, a) of R runs, two critics each, without layer normalisation."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
        last_gain: float = math.sqrt(2),
    ) -> None:
        sizes = (observation_dim, action_dim, hidden)
        super().__init__(*sizes, generators, critics=2, layer_norm=False, last_gain=last_gain)
