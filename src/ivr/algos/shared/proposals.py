"""Several actions for each state: the model that proposes them, and the choice by Q."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ivr import random
from ivr.algos.engine.agent import Agent
from ivr.algos.engine.base import Metrics
from ivr.losses.vae import latent_kl, vae_loss
from ivr.nets.vae import ConditionalVAE
from ivr.types import ActFunction, Batch


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


class CandidateNoise:
    """Standard normal draws for M candidates, a function of a run's seed and an episode's step.

    The same for every state, so that the policy that chooses among them is a deterministic one, and
    others at every step of an episode, as its source draws them anew for every action.
    """

    def __init__(self, seeds: Sequence[int], candidates: int, size: int) -> None:
        self.keys = torch.tensor([random.key(seed, "candidates") for seed in seeds])
        self.candidates, self.size = candidates, size

    def at(self, steps: Tensor) -> Tensor:
        """Draws (R, M, N, size) at `steps` (R, N) of their episodes."""
        distinct = torch.tensor(sorted(set(steps.flatten().tolist())), device=steps.device)
        where = torch.searchsorted(distinct, steps)
        drawn = random.uniform(self.keys.to(steps.device), distinct, self.candidates * self.size)
        run = torch.arange(len(steps), device=steps.device)[:, None]
        # The quantile of 0 is infinite, so 0 becomes half of the smallest step between draws.
        noise: Tensor = torch.special.ndtri(drawn[where, run].clamp(min=2**-25))
        return noise.view(*steps.shape, self.candidates, self.size).transpose(1, 2)

    def first(self, observations: Tensor) -> Tensor:
        """Draws (R, M, N, size) where an episode begins in observations (R, N, O)."""
        return self.at(torch.zeros_like(observations[..., 0], dtype=torch.int64))


def begin_choosing(
    policy: Agent, noise: CandidateNoise, choose: Callable[[Tensor, Tensor], Tensor], slots: int
) -> ActFunction:
    """Count the steps of `slots` episodes of each run, which the noise of a choice depends on.

    Args:
        policy: whose observations and actions they are.
        noise: see `CandidateNoise`.
        choose: normalised observations (R, S, O) and noise (R, M, S, size) to actions (R, S, A) in
            [-1, 1].
        slots: S.
    """
    steps = torch.zeros(len(noise.keys), slots, dtype=torch.int64)

    def act(observations: Tensor, rewards: Tensor, starts: Tensor) -> Tensor:
        nonlocal steps
        steps = steps.to(starts.device).masked_fill(starts, 0)
        chosen = choose(policy.standardise(observations), noise.at(steps))
        steps = steps + 1
        return policy.to_bounds(chosen)

    return act


def repeated(states: Tensor, candidates: int) -> Tensor:
    """Every state once for each candidate: (R, N, O) to (R, candidates * N, O)."""
    return states[:, None].expand(-1, candidates, -1, -1).flatten(1, 2)


def best(actions: Tensor, q: Tensor) -> Tensor:
    """The action with the highest Q: (R, M, N, A) and (R, M, N) to (R, N, A)."""
    index = q.argmax(1)[:, None, :, None].expand(-1, 1, -1, actions.shape[-1])
    return actions.gather(1, index)[:, 0]
