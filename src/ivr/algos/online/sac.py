"""Soft actor-critic from an offline policy and its offline critic: the naive way online.

    critic       E[ (y - Q_k(s, a))^2 ],  y = r + gamma (1 - d) (min_k Q'_k(s', a') - l log pi)
    actor        E_pi[ l log pi(a|s) - min_k Q_k(s, a) ]
    temperature  log(l) (H(pi) - H_target)

(Haarnoja et al., 2018, arXiv:1812.05905), with the offline run's policy, which is not squashed.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.algos.online.from_policy import FromPolicy
from ivr.losses.critic import td_loss, td_target
from ivr.losses.soft import soft_policy_loss, temperature_loss
from ivr.nets.critics import TwinCritic
from ivr.nets.scalars import PositiveScalar
from ivr.types import Batch


class SoftFromOffline(FromPolicy):
    """Soft actor-critic that begins with the networks of an offline run.

    Args:
        actor_lr, critic_lr: learning rates; the temperature has the actor's.
        target_tau: Polyak's tau.
        temperature: l at first, in the units of Q.
        shared: see `FromPolicy`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order = ("critic", "actor", "temperature")

    offline_updates = 0

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        hidden: Sequence[int],
        actor_lr: float = 3e-4,
        critic_lr: float = 3e-4,
        target_tau: float = 0.005,
        temperature: float = 0.1,
        **shared: Any,
    ) -> None:
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        super().__init__(
            observation_dim=observation_dim,
            action_low=action_low,
            hidden=hidden,
            learning_rates={"critic": critic_lr, "actor": actor_lr, "temperature": actor_lr},
            **shared,
        )
        sizes = (observation_dim, len(action_low), hidden)
        self.critic = TwinCritic(*sizes, self.generators("critic"))
        self.target_critic = TwinCritic(*sizes, self.generators("critic")).requires_grad_(False)
        self.temperature = PositiveScalar(self.runs, temperature)
        self.target_tau = target_tau
        self.target_entropy = -float(len(action_low))

    def begin_with(self, policy: OfflineAlgorithm) -> None:
        """Take over the policy and the critics of an offline run.

        Raises:
            ValueError: its policy is no Gaussian, or it has no critic of its own.
        """
        super().begin_with(policy)
        for name in ("critic", "target_critic"):
            found = getattr(policy, name, None)
            if not isinstance(found, TwinCritic):
                raise ValueError("its critic is needed, and it has none")
            self.get_submodule(name).load_state_dict(found.state_dict())

    def update(self, batch: Batch) -> None:
        """The critics, the actor with the new ones, its temperature, the target."""
        self.minimise("critic", self.critic_loss, batch, self.noise.normal("target", batch.actions))
        self.improve(batch)

    def improve(self, batch: Batch) -> None:
        """What follows a step of the critics: the actor, its temperature, the target."""
        noise = self.noise.normal("policy", batch.actions)
        measured = self.minimise("actor", self.actor_loss, batch, noise)
        self.minimise("temperature", self.temperature_loss, measured["actor/entropy"])
        self.polyak(self.critic, self.target_critic, self.target_tau)

    def critic_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """TD with the entropy of the next action: (R,), and metrics (R,)."""
        following = batch.next_observations
        with torch.no_grad():
            actions = self.actor.sample(following, noise)
            entropy = -self.actor.log_prob(following, actions)
            next_v = self.target_critic(following, actions).amin(1) + self.temperature() * entropy
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
        q = self.critic(batch.observations, batch.actions)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2))}

    def actor_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """Q and entropy of one action a state: (R,), and metrics (R,)."""
        actions = self.actor.sample(batch.observations, noise)
        log_prob = self.actor.log_prob(batch.observations, actions)
        q = self.constant("critic")(batch.observations, actions).amin(1)
        loss = soft_policy_loss(q, log_prob, self.temperature().detach())
        return loss, {"actor/entropy": -log_prob.detach().mean(-1), "actor/q": q.detach().mean(-1)}

    def temperature_loss(self, entropy: Tensor) -> tuple[Tensor, Metrics]:
        """Hold the policy's entropy (R,) at its target: (R,), and metrics (R,)."""
        loss = temperature_loss(self.temperature.log, entropy, self.target_entropy)
        return loss, {"actor/temperature": self.temperature().detach().squeeze(-1)}
