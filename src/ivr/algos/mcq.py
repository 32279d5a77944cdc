"""Mildly Conservative Q-learning (Lyu et al., NeurIPS 2022).

    mu      a conditional VAE of the data's actions
    pi      a maximum-entropy policy, E_pi[ temperature log pi(a|s) - min_k Q_k(s, a) ]
    Q       lambda E_D[ (y - Q(s, a))^2 ] + (1 - lambda) E_pi[ (y' - Q(s, a))^2 ]

y is the Bellman target of pi, with its entropy. y' = min_k max_i Q_k(s, a_i) over N proposals of
mu: an action that the data do not have is worth no more than the best that they have. E_pi is over
one action in each s and each s' of the data.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.proposals import model_loss, repeated
from ivr.algos.shared.soft_actor_critic import SoftActorCritic
from ivr.losses.critic import td_target
from ivr.losses.proposals import mildly_conservative_loss, pseudo_target
from ivr.nets.vae import ConditionalVAE
from ivr.types import Batch


class MildlyConservativeQLearning(SoftActorCritic):
    """Actor-critic that trains Q at the policy's actions towards the best of the data's.

    Args:
        td_weight: lambda; less is more conservative, 1 is a soft actor-critic on fixed data.
        one_sided: only lower Q at the policy's actions, never raise it.
        candidates: N, the proposals that a pseudo target takes its maximum of.
        kl_weight: of the VAE's divergence from its prior, against the error of an action.
        vae_lr: learning rate of the VAE.
        vae_hidden: sizes of the hidden layers of the encoder and the decoder.
        actor_lr, hidden, log_std_offset, log_std_range, shared: see `SoftActorCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    alpha_options = ("td_weight",)

    step_order = ("vae", *SoftActorCritic.step_order)

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        td_weight: float = 0.9,
        one_sided: bool = False,
        candidates: int = 10,
        kl_weight: float = 2.0,
        vae_lr: float = 1e-3,
        vae_hidden: Sequence[int] = (750, 750),
        actor_lr: float = 3e-4,
        hidden: Sequence[int] = (400, 400, 400),
        log_std_offset: float = 0.0,
        log_std_range: Sequence[float] = (-5.0, 2.0),
        **shared: Any,
    ) -> None:
        super().__init__(
            observation_dim=observation_dim,
            action_low=action_low,
            actor_lr=actor_lr,
            hidden=hidden,
            log_std_offset=log_std_offset,
            log_std_range=log_std_range,
            **shared,
        )
        self.learning_rates["vae"] = vae_lr
        check_range("td_weight", td_weight, 0 < td_weight <= 1, "in (0, 1]")
        check_range("candidates", candidates, candidates >= 1, "from 1 on")
        check_range("kl_weight", kl_weight, kl_weight >= 0, "from 0 on")
        sizes = (observation_dim, len(action_low), vae_hidden)
        self.vae = ConditionalVAE(*sizes, self.generators("vae"))
        self.td_weight = td_weight
        self.one_sided = one_sided
        self.candidates = candidates
        self.kl_weight = kl_weight

    def update(self, batch: Batch) -> None:
        """The model of the data, then what every soft actor-critic does."""
        runs, size = batch.rewards.shape
        noise = self.noise.normal("vae", batch.rewards.new_empty(runs, size, self.vae.latent_dim))
        self.minimise("vae", self.vae_loss, batch, noise)
        super().update(batch)

    def update_critic(self, batch: Batch) -> None:
        """One step of the critics."""
        runs, size, actions = batch.actions.shape
        here_and_next = batch.actions.new_empty(runs, 2 * size, actions)
        proposals = (runs, self.candidates * 2 * size, self.vae.latent_dim)
        self.minimise(
            "critic",
            self.critic_loss,
            batch,
            self.noise.normal("next_policy", batch.actions),
            self.noise.normal("unseen", here_and_next),
            self.noise.normal("proposals", batch.actions.new_empty(proposals)),
        )

    def vae_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """The bound on the likelihood of the data's actions: (R,), and metrics (R,)."""
        return model_loss(self.vae, batch, noise, self.kl_weight)

    def critic_loss(
        self, batch: Batch, next_noise: Tensor, noise: Tensor, latents: Tensor
    ) -> tuple[Tensor, Metrics]:
        """Bellman on the data, the pseudo targets on the policy: (R,), and metrics (R,)."""
        states = torch.cat((batch.observations, batch.next_observations), 1)
        with torch.no_grad():
            next_actions, next_log_prob = self.actor.sample(batch.next_observations, next_noise)
            next_q = self.target_critic(batch.next_observations, next_actions).amin(1)
            next_v = next_q - self.temperature() * next_log_prob
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
            unseen, _ = self.actor.sample(states, noise)
            pseudo = self.pseudo_targets(states, latents)
        q = self.critic(batch.observations, batch.actions)
        policy_q = self.critic(states, unseen)
        loss = mildly_conservative_loss(q, target, policy_q, pseudo, self.td_weight, self.one_sided)
        above = (policy_q.detach() > pseudo[:, None]).float()
        return loss, {
            "value/q": q.detach().mean((1, 2)),
            "value/pseudo_target": pseudo.mean(-1),
            "value/policy_q": policy_q.detach().mean((1, 2)),
            "value/policy_above_pseudo_target": above.mean((1, 2)),
        }

    def pseudo_targets(self, states: Tensor, latents: Tensor) -> Tensor:
        """y' by the target critics: (R, N, O) and (R, candidates N, L) to (R, N)."""
        many = repeated(states, self.candidates)
        q = self.target_critic(many, self.vae.propose(many, latents))
        return pseudo_target(q.unflatten(-1, (self.candidates, -1)))
