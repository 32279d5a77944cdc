"""Several actions for each state: the model that proposes them, and the choice by Q."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ivr import random
from ivr.algos.engine.base import Metrics
from ivr.losses.vae import latent_kl, vae_loss
from ivr.nets.vae import ConditionalVAE
from ivr.types import Batch


def model_loss(
    vae: ConditionalVAE, batch: Batch, noise: Tensor, kl_weight: float
) -> tuple[Tensor, Metrics]:
    """The bound on the likelihood of the data's actions, by one latent each, noise (R, B, L).

    Returns the loss (R,), and metrics (R,).
    """
    mean, log_std = vae.encode(batch.observations, batch.actions)
    decoded = vae.decode(batch.observations, mean + log_std.exp() * noise)
    loss = vae_loss(batch.actions, decoded, mean, log_std, kl_weight)
    error = (batch.actions - decoded).detach().square().sum(-1).mean(-1)
    return loss, {
        "vae/error": error,
        "vae/kl": latent_kl(mean, log_std).detach().sum(-1).mean(-1),
    }


def fixed_noise(seeds: Sequence[int], candidates: int, size: int) -> Tensor:
    """Standard normal draws (R, candidates, 1, size), a function of each seed alone.

    The same for every state, so that the policy that chooses among them is a deterministic one.
    """
    keys = torch.tensor([random.key(seed, "candidates") for seed in seeds])
    drawn = random.uniform(keys, torch.zeros(1, dtype=torch.int64), candidates * size)[0]
    # The quantile of 0 is infinite, so 0 becomes half of the smallest step between draws.
    noise: Tensor = torch.special.ndtri(drawn.clamp(min=2**-25))
    return noise.view(len(seeds), candidates, 1, size)


def repeated(states: Tensor, candidates: int) -> Tensor:
    """Every state once for each candidate: (R, N, O) to (R, candidates * N, O)."""
    return states[:, None].expand(-1, candidates, -1, -1).flatten(1, 2)


def best(actions: Tensor, q: Tensor) -> Tensor:
    """The action with the highest Q: (R, M, N, A) and (R, M, N) to (R, N, A)."""
    index = q.argmax(1)[:, None, :, None].expand(-1, 1, -1, actions.shape[-1])
    return actions.gather(1, index)[:, 0]
