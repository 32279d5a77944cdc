"""A generative model of the data's actions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ivr.nets.mlp import MLP

LOG_STD_RANGE = (-4.0, 15.0)
LATENT_CLIP = 0.5


class ConditionalVAE(nn.Module):
    """Latents z ~ N(mean(s, a), std(s, a)^2), actions a = tanh(decoder(s, z)), for R runs.

    Fujimoto et al. (ICML 2019): twice as many latents as actions, the bounds of the log-std, and
    latents clipped where actions are proposed, as in their code.
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        leading = (len(generators),)
        self.latent_dim = 2 * action_dim
        inputs = observation_dim + action_dim
        self.encoder = MLP((inputs, *hidden, 2 * self.latent_dim), leading, generators)
        inputs = observation_dim + self.latent_dim
        self.decoder = MLP((inputs, *hidden, action_dim), leading, generators)

    def encode(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-std of q(z|s,a): (R, N, O) and (R, N, A) to (R, N, L) twice, L = 2 A."""
        encoded = self.encoder(torch.cat((observations, actions), -1))
        mean, log_std = encoded.chunk(2, -1)
        return mean, log_std.clamp(*LOG_STD_RANGE)

    def decode(self, observations: Tensor, latents: Tensor) -> Tensor:
        """(R, N, O) and (R, N, L) to actions (R, N, A) in (-1, 1)."""
        return torch.tanh(self.decoder(torch.cat((observations, latents), -1)))

    def propose(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Actions of the prior, whose latents are clipped: noise (R, N, L) to (R, N, A)."""
        return self.decode(observations, noise.clamp(-LATENT_CLIP, LATENT_CLIP))
