"""Policies over actions scaled to [-1, 1]."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ivr.nets.mlp import MLP

LOG_STD_RANGE = (-5.0, 2.0)


class GaussianActor(nn.Module):
    """A Gaussian around tanh(mean) with a state-independent log-std; the sample has no tanh.

    The policy of the paper's reference implementation.
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        runs = len(generators)
        self.mlp = MLP((observation_dim, *hidden, action_dim), (runs,), generators)
        self.log_std = nn.Parameter(torch.zeros(runs, 1, action_dim))

    def forward(self, observations: Tensor, keep: Sequence[Tensor] | None = None) -> Tensor:
        """The mode: (R, N, O) to (R, N, A) in (-1, 1); `keep` are dropout masks of the MLP."""
        return torch.tanh(self.mlp(observations, keep))

    @property
    def clamped_log_std(self) -> Tensor:
        """The logarithm of the standard deviation, (R, 1, A)."""
        return self.log_std.clamp(*LOG_STD_RANGE)

    def log_prob(
        self, observations: Tensor, actions: Tensor, keep: Sequence[Tensor] | None = None
    ) -> Tensor:
        """log pi(a|s): (R, N, O) and (R, N, A) to (R, N)."""
        log_std = self.clamped_log_std
        mode: Tensor = self(observations, keep)
        deviation = (actions - mode) * torch.exp(-log_std)
        density: Tensor = -(0.5 * deviation.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(
            -1
        )
        return density

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Actions within [-1, 1], differentiable in the parameters.

        Args:
            observations: (R, N, O).
            noise: standard normal draws (R, N, A), or (R, M, N, A) for M actions a state.

        Returns:
            Of the shape of the noise; what falls outside of the bounds is clipped to them.
        """
        mode, std = self(observations), self.clamped_log_std.exp()
        if noise.dim() > mode.dim():
            mode, std = mode.unsqueeze(1), std.unsqueeze(1)
        action: Tensor = (mode + std * noise).clamp(-1, 1)
        return action


class DeterministicActor(nn.Module):
    """tanh of a perceptron, the policy of TD3 (Fujimoto et al., ICML 2018)."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.mlp = MLP((observation_dim, *hidden, action_dim), (len(generators),), generators)

    def forward(self, observations: Tensor) -> Tensor:
        """(R, N, O) to (R, N, A) in (-1, 1)."""
        return torch.tanh(self.mlp(observations))


class TanhGaussianActor(nn.Module):
    """tanh of a Gaussian whose mean and log-std depend on the state.

    Haarnoja et al. (2018, arXiv:1812.05905), appendix C.

    Args:
        observation_dim, action_dim, hidden, generators, last_gain: see `MLP`.
        log_std_offset: added to the network's log-std; -1 as in the code of CQL and its
            successors, so that the initial policy is less random.
        log_std_range: bounds to which the log-std is clamped, before the tanh.
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
        log_std_offset: float = -1.0,
        log_std_range: tuple[float, float] = (-20.0, 2.0),
        last_gain: float = math.sqrt(2),
    ) -> None:
        super().__init__()
        sizes = (observation_dim, *hidden, 2 * action_dim)
        self.mlp = MLP(sizes, (len(generators),), generators, last_gain=last_gain)
        self.log_std_offset = log_std_offset
        self.log_std_range = log_std_range

    def forward(self, observations: Tensor) -> Tensor:
        """The mode of the Gaussian, squashed: (R, N, O) to (R, N, A) in (-1, 1)."""
        return torch.tanh(self.gaussian(observations)[0])

    def gaussian(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-std before the tanh: (R, N, O) to two of (R, N, A)."""
        mean, log_std = self.mlp(observations).chunk(2, -1)
        return mean, (log_std + self.log_std_offset).clamp(*self.log_std_range)

    def sample(self, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and their log pi(a|s), differentiable in the parameters.

        Args:
            observations: (R, N, O).
            noise: standard normal draws (R, N, A), or (R, M, N, A) for M actions a state.

        Returns:
            Actions of the shape of the noise, and log-densities without its last axis.
        """
        mean, log_std = self.gaussian(observations)
        if noise.dim() > mean.dim():
            mean, log_std = mean.unsqueeze(1), log_std.unsqueeze(1)
        return squash(mean, log_std, noise)


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """a = tanh(mean + std noise) in [-1, 1] and its log-density, (..., A) to (..., A) and (...).

    Haarnoja et al. (2018), equation 26, with log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)),
    which is finite and exact however far out u lies.
    """
    u = mean + log_std.exp() * noise
    density = -(0.5 * noise.square() + log_std + 0.5 * math.log(2 * math.pi))
    slope = 2 * (math.log(2) - u - functional.softplus(-2 * u))
    return torch.tanh(u), (density - slope).sum(-1)
