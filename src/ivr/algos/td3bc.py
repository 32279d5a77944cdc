"""TD3+BC (Fujimoto & Gu, NeurIPS 2021): TD3 (Fujimoto et al., ICML 2018) and imitation.

actor   E_D[ -lambda Q_1(s, pi(s)) + (pi(s) - a)^2 ], lambda = q_weight / E_D[ |Q_1(s, pi(s))| ]
critic  E_D[ (r + gamma (1 - d) min_k Q_k(s', a') - Q(s, a))^2 ], a' = pi(s') and cut noise

The actor and both targets move at every second update.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.actor import regularised_deterministic_loss
from ivr.losses.critic import td_loss, td_target
from ivr.nets.actors import DeterministicActor
from ivr.nets.critics import TwinCritic
from ivr.types import Batch


class TD3BehaviourCloning(OfflineAlgorithm):
    """A deterministic policy that follows twin critics and stays near the data's actions.

    Args:
        discount: gamma.
        q_weight: its authors' alpha: what Q weighs against imitation. It works the other way
            round than the family's: large trusts Q.
        policy_noise: standard deviation of the noise on the target's actions.
        noise_clip: bound of that noise.
        policy_delay: updates from one step of the actor and the targets to the next.
        target_tau: Polyak's tau.
        hidden: sizes of the hidden layers of every network.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = "Lower algo.q_weight or the learning rates."
    alpha_options = ("q_weight",)

    step_order = ("actor", "critic")

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        discount: float = 0.99,
        q_weight: float = 2.5,
        policy_noise: float = 0.2,
        noise_clip: float = 0.5,
        policy_delay: int = 2,
        actor_lr: float = 3e-4,
        critic_lr: float = 3e-4,
        target_tau: float = 0.005,
        hidden: Sequence[int] = (256, 256),
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"actor": actor_lr, "critic": critic_lr},
            cosine_decay=(),
            **run,
        )
        check_range("q_weight", q_weight, q_weight >= 0, "from 0 on")
        check_range("policy_noise", policy_noise, policy_noise >= 0, "from 0 on")
        check_range("noise_clip", noise_clip, noise_clip >= 0, "from 0 on")
        check_range("policy_delay", policy_delay, policy_delay >= 1, "from 1 on")
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        sizes = (observation_dim, len(action_low), hidden)
        self.actor = DeterministicActor(*sizes, self.generators("actor"))
        self.critic = TwinCritic(*sizes, self.generators("critic"))
        self.target_actor = DeterministicActor(*sizes, self.generators("actor"))
        self.target_critic = TwinCritic(*sizes, self.generators("critic"))
        for target in (self.target_actor, self.target_critic):
            target.requires_grad_(False)
        self.discount = discount
        self.q_weight = q_weight
        self.policy_noise = policy_noise
        self.noise_clip = noise_clip
        self.target_tau = target_tau
        self.delays = {"actor": policy_delay}

    def update(self, batch: Batch) -> None:
        """The actor and the targets where they are due, then Q.

        TD3 steps Q first: the same sequence, begun one step later.
        """
        if self.due("actor"):
            self.minimise("actor", self.actor_loss, batch)
            self.polyak(self.actor, self.target_actor, self.target_tau)
            self.polyak(self.critic, self.target_critic, self.target_tau)
        noise = self.noise.normal("target", batch.actions)
        self.minimise("critic", self.critic_loss, batch, noise)

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Q of the first critic, in its own scale, and imitation: (R,), and metrics (R,)."""
        actions = self.actor(batch.observations)
        q = self.constant("critic")(batch.observations, actions)[:, 0]
        loss = regularised_deterministic_loss(q, actions, batch.actions, self.q_weight)
        distance = (actions - batch.actions).detach().square().mean((-1, -2))
        return loss, {"actor/distance": distance, "value/q_of_policy": q.detach().mean(-1)}

    def critic_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """TD with the smoothed target policy, for both critics: (R,), and metrics (R,)."""
        with torch.no_grad():
            smoothing = (self.policy_noise * noise).clamp(-self.noise_clip, self.noise_clip)
            actions = (self.target_actor(batch.next_observations) + smoothing).clamp(-1, 1)
            next_q = self.target_critic(batch.next_observations, actions).amin(1)
            target = td_target(batch.rewards, batch.terminated, next_q, self.discount)
        q = self.critic(batch.observations, batch.actions)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2))}
