"""Online learning with offline data and no offline training: RLPD (Ball et al., ICML 2023).

A soft actor-critic on batches of which a part is offline data (half of them in the paper:
offline_share=[0.5,0.5]), with K critics that are normalised by layer; the target is the minimum of
two of them, drawn anew in every update, and the actor sees their mean. Algorithm 1 of the paper: of
the updates that follow a step the critics make all, the actor and the temperature the last one. By
default there is one of them, the paper has 20 (updates_per_step=20). The first steps are those of
the untrained policy, where the authors' code acts evenly at random.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.soft_actor_critic import SoftActorCritic
from ivr.losses.critic import least_of_two, td_loss, td_target
from ivr.losses.soft import soft_policy_loss, temperature_loss
from ivr.nets.critics import EnsembleCritic
from ivr.types import Batch


class PriorData(SoftActorCritic):
    """Soft actor-critic with an ensemble of critics, from untrained networks.

    Args:
        critics: K.
        backup_entropy: whether the target has the entropy of the next action.
        target_entropy: what the policy's is held at; None is -A/2, as in the authors' code.
        policy_delay: the critics' steps for each one of the actor and the temperature.
        actor_lr, hidden, shared: see `SoftActorCritic`.
    """

    step_order = ("critic", "actor", "temperature")

    offline_updates = 0

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        critics: int = 10,
        backup_entropy: bool = True,
        target_entropy: float | None = None,
        policy_delay: int = 1,
        actor_lr: float = 3e-4,
        hidden: Sequence[int] = (256, 256),
        **shared: Any,
    ) -> None:
        super().__init__(
            observation_dim=observation_dim,
            action_low=action_low,
            actor_lr=actor_lr,
            hidden=hidden,
            target_entropy=-len(action_low) / 2 if target_entropy is None else target_entropy,
            **shared,
        )
        sizes = (observation_dim, len(action_low), shared.get("critic_hidden") or hidden)
        self.critic, self.target_critic = (  # type: ignore[assignment]
            EnsembleCritic(*sizes, self.generators("critics"), critics) for _ in range(2)
        )
        self.target_critic.requires_grad_(False)
        check_range("policy_delay", policy_delay, policy_delay >= 1, "from 1 on")
        self.policy_delay = policy_delay
        self.critics = critics
        self.backup_entropy = backup_entropy

    def networks_due(self, update: int) -> tuple[str, ...]:
        """All of them at the last of `policy_delay` updates, the critics alone before."""
        return self.step_order if (update + 1) % self.policy_delay == 0 else ("critic",)

    def update(self, batch: Batch) -> None:
        """The critics, the actor with the new ones, its temperature, the target."""
        self.update_critic(batch)
        if self.due("actor"):
            noise = self.noise.normal("policy", batch.actions)
            measured = self.minimise("actor", self.actor_loss, batch, noise)
            self.minimise("temperature", self.temperature_loss, measured["actor/entropy"])
        self.polyak(self.critic, self.target_critic, self.target_tau)

    def update_critic(self, batch: Batch) -> None:
        """One step of all critics against one target."""
        noise = self.noise.normal("target", batch.actions)
        order = self.noise.unit("critics", batch.rewards.new_empty(self.runs, self.critics))
        self.minimise("critic", self.critic_loss, batch, noise, order)

    def critic_loss(self, batch: Batch, noise: Tensor, order: Tensor) -> tuple[Tensor, Metrics]:
        """TD with the least of two target critics that `order` (R, K) draws: (R,), metrics (R,)."""
        following = batch.next_observations
        with torch.no_grad():
            actions, log_prob = self.actor.sample(following, noise)
            next_v = least_of_two(self.target_critic(following, actions), order)
            if self.backup_entropy:
                next_v = next_v - self.temperature() * log_prob
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
        q = self.critic(batch.observations, batch.actions)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2))}

    def actor_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """The critics' mean and the entropy of one action a state: (R,), and metrics (R,)."""
        actions, log_prob = self.actor.sample(batch.observations, noise)
        q = self.constant("critic")(batch.observations, actions).mean(1)
        loss = soft_policy_loss(q, log_prob, self.temperature().detach())
        return loss, {"actor/entropy": -log_prob.detach().mean(-1)}

    def temperature_loss(self, entropy: Tensor) -> tuple[Tensor, Metrics]:
        """As of `SoftActorCritic`, by the factor itself, as the authors' code."""
        temperature = self.temperature()
        loss = temperature_loss(temperature, entropy, self.target_entropy)
        return loss, {"actor/temperature": temperature.detach().squeeze(-1)}
