"""Batch-constrained Q-learning (Fujimoto et al., ICML 2019), for continuous actions.

    G       a conditional VAE of the data's actions
    Q       E_D[ (r + gamma (1 - d) max_i soft-min_k Q_k(s', a_i) - Q(s, a))^2 ]
    xi      -E_s[ Q_1(s, a + xi(s, a)) ], a ~ G(s)

a_i are n proposals of G(s'), each corrected by xi by at most phi. The policy is the best by Q_1 of
such proposals.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.proposals import (
    CandidateNoise,
    begin_choosing,
    best,
    model_loss,
    repeated,
)
from ivr.losses.critic import td_loss, td_target
from ivr.losses.proposals import soft_clipped_target
from ivr.nets.critics import TwinCritic
from ivr.nets.perturbation import Perturbation
from ivr.nets.vae import ConditionalVAE
from ivr.types import ActFunction, Batch


class BatchConstrainedQLearning(OfflineAlgorithm):
    """Q-learning over actions that a model of the data proposes.

    Args:
        discount: gamma.
        max_perturbation: phi, how far an action may leave its proposal, of actions in [-1, 1].
        min_weight: lambda, of the smaller critic in the target; 1 - lambda is the larger one's.
        candidates: n, the proposals that a target takes its maximum of.
        test_candidates: the proposals that the policy chooses from.
        kl_weight: of the VAE's divergence from its prior, against the error of an action.
        target_tau: Polyak's tau, of the critic and the perturbation.
        hidden: sizes of the hidden layers of the critics and the perturbation.
        vae_hidden: those of the encoder and the decoder.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    alpha_options = ("max_perturbation", "min_weight")

    step_order = ("vae", "critic", "actor")

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        discount: float = 0.99,
        max_perturbation: float = 0.05,
        min_weight: float = 0.75,
        candidates: int = 10,
        test_candidates: int = 100,
        kl_weight: float = 0.5,
        vae_lr: float = 1e-3,
        critic_lr: float = 1e-3,
        actor_lr: float = 1e-3,
        target_tau: float = 0.005,
        hidden: Sequence[int] = (400, 300),
        vae_hidden: Sequence[int] = (750, 750),
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"vae": vae_lr, "critic": critic_lr, "actor": actor_lr},
            cosine_decay=(),
            **run,
        )
        check_range("max_perturbation", max_perturbation, max_perturbation >= 0, "from 0 on")
        check_range("min_weight", min_weight, 0 <= min_weight <= 1, "in [0, 1]")
        check_range("candidates", candidates, candidates >= 1, "from 1 on")
        check_range("test_candidates", test_candidates, test_candidates >= 1, "from 1 on")
        check_range("kl_weight", kl_weight, kl_weight >= 0, "from 0 on")
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        sizes = (observation_dim, len(action_low))
        self.vae = ConditionalVAE(*sizes, vae_hidden, self.generators("vae"))
        self.critic = TwinCritic(*sizes, hidden, self.generators("critic"))
        self.target_critic = TwinCritic(*sizes, hidden, self.generators("critic"))
        self.actor = Perturbation(*sizes, hidden, self.generators("actor"), max_perturbation)
        self.target_actor = Perturbation(*sizes, hidden, self.generators("actor"), max_perturbation)
        self.target_critic.requires_grad_(False)
        self.target_actor.requires_grad_(False)
        self.candidate_noise = CandidateNoise(self.seeds, test_candidates, self.vae.latent_dim)
        self.discount = discount
        self.min_weight = min_weight
        self.candidates = candidates
        self.kl_weight = kl_weight
        self.target_tau = target_tau

    def update(self, batch: Batch) -> None:
        """The model of the data, Q, the perturbation, the targets: the authors' order."""
        runs, size = batch.rewards.shape
        one = batch.rewards.new_empty(runs, size, self.vae.latent_dim)
        many = batch.rewards.new_empty(runs, self.candidates * size, self.vae.latent_dim)
        self.minimise("vae", self.vae_loss, batch, self.noise.normal("vae", one))
        self.minimise("critic", self.critic_loss, batch, self.noise.normal("next_proposals", many))
        self.minimise("actor", self.actor_loss, batch, self.noise.normal("proposals", one))
        self.polyak(self.critic, self.target_critic, self.target_tau)
        self.polyak(self.actor, self.target_actor, self.target_tau)

    def vae_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """The bound on the likelihood of the data's actions: (R,), and metrics (R,)."""
        return model_loss(self.vae, batch, noise, self.kl_weight)

    def critic_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """TD with the best proposal in s', for both critics: (R,), and metrics (R,)."""
        with torch.no_grad():
            states = repeated(batch.next_observations, self.candidates)
            proposed = self.target_actor(states, self.vae.propose(states, noise))
            next_q = self.target_critic(states, proposed).unflatten(-1, (self.candidates, -1))
            next_v = soft_clipped_target(next_q, self.min_weight)
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
        q = self.critic(batch.observations, batch.actions)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2))}

    def actor_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """The first critic of corrected proposals, to be raised: (R,), and metrics (R,)."""
        with torch.no_grad():
            proposed = self.vae.propose(batch.observations, noise)
        corrected = self.actor(batch.observations, proposed)
        q = self.constant("critic")(batch.observations, corrected)[:, 0]
        moved = (corrected - proposed).detach().abs().mean((1, 2))
        return -q.mean(-1), {"actor/perturbation": moved}

    def mode(self, observations: Tensor) -> Tensor:
        """Act where an episode begins."""
        return self.choose(observations, self.candidate_noise.first(observations))

    def begin(self, slots: int) -> ActFunction:
        """Propose other actions at every step of an episode."""
        return begin_choosing(self, self.candidate_noise, self.choose, slots)

    def choose(self, observations: Tensor, noise: Tensor) -> Tensor:
        """The corrected proposal with the highest Q: (R, N, O), (R, M, N, L) to (R, N, A)."""
        shape = noise.shape[1:3]
        states = repeated(observations, len(noise[0]))
        proposed = self.actor(states, self.vae.propose(states, noise.flatten(1, 2)))
        q = self.critic(states, proposed)[:, 0]
        return best(proposed.unflatten(1, shape), q.unflatten(-1, shape))
