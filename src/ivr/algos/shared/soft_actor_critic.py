"""What actor-critics with a maximum-entropy policy share (Haarnoja et al., 2018, arXiv:1812.05905).

    actor           E_pi[ lambda log pi(a|s) - min_k Q_k(s, a) ]
    temperature     log(lambda) (H(pi) - H_target)
    critic          a loss that each method has of its own

lambda is the entropy temperature: a number that is trained, not the family's alpha.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.soft import soft_policy_loss, temperature_loss
from ivr.nets.actors import TanhGaussianActor
from ivr.nets.critics import TwinCritic
from ivr.nets.mlp import TORCH_GAIN
from ivr.nets.scalars import PositiveScalar
from ivr.types import Batch


class SoftActorCritic(OfflineAlgorithm):
    """A squashed Gaussian policy, its entropy temperature, and twin critics.

    Args:
        discount: gamma.
        actor_lr: learning rate of the policy and of the entropy temperature.
        hidden: sizes of the policy's hidden layers.
        critic_lr: learning rate of the critics.
        target_tau: Polyak's tau.
        critic_hidden: sizes of the critics'; None for those of the policy.
        target_entropy: what the temperature holds the policy's entropy at; None is -A, the usual.
        log_std_offset, log_std_range: see `TanhGaussianActor`; as in CORL where they are not given.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order: tuple[str, ...] = ("actor", "temperature", "critic")

    last_gain: float = TORCH_GAIN
    """Gain of the last layer of policy and critics at first: with a large one means start at ±1."""

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        discount: float = 0.99,
        actor_lr: float,
        hidden: Sequence[int],
        critic_lr: float = 3e-4,
        target_tau: float = 0.005,
        critic_hidden: Sequence[int] | None = None,
        target_entropy: float | None = None,
        log_std_offset: float = -1.0,
        log_std_range: Sequence[float] = (-20.0, 2.0),
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"actor": actor_lr, "temperature": actor_lr, "critic": critic_lr},
            cosine_decay=(),
            **run,
        )
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        low, high = log_std_range
        check_range("log_std_range[0]", low, low < high, f"below {high}, its other end")
        actions = len(action_low)
        sizes = (observation_dim, actions, hidden if critic_hidden is None else critic_hidden)
        self.actor = TanhGaussianActor(
            observation_dim,
            actions,
            hidden,
            self.generators("actor"),
            log_std_offset,
            (low, high),
            self.last_gain,
        )
        self.temperature = PositiveScalar(self.runs, 1.0)
        self.critic, self.target_critic = (
            TwinCritic(*sizes, self.generators("critic"), self.last_gain) for _ in range(2)
        )
        self.target_critic.requires_grad_(False)
        self.discount = discount
        self.target_tau = target_tau
        self.target_entropy = -float(actions) if target_entropy is None else target_entropy

    @torch.no_grad()
    def explore(
        self, observations: Tensor, noise: Tensor, progress: float
    ) -> tuple[Tensor, Tensor | None]:
        """Sample actions of the policy; see `FromPolicy.explore`."""
        return self.actor.sample(self.standardise(observations), noise)[0], None

    @abstractmethod
    def update_critic(self, batch: Batch) -> None:
        """One step of the critics, and of what else a method trains with them."""

    def update(self, batch: Batch) -> None:
        """The actor, its temperature by the entropy that it had, the critics, their target."""
        noise = self.noise.normal("policy", batch.actions)
        measured = self.minimise("actor", self.actor_loss, batch, noise)
        self.minimise("temperature", self.temperature_loss, measured["actor/entropy"])
        self.update_critic(batch)
        self.polyak(self.critic, self.target_critic, self.target_tau)

    def actor_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """Q and entropy of one action a state: (R,), and metrics (R,)."""
        actions, log_prob = self.actor.sample(batch.observations, noise)
        q = self.constant("critic")(batch.observations, actions).amin(1)
        loss = soft_policy_loss(q, log_prob, self.temperature().detach())
        return loss, {"actor/entropy": -log_prob.detach().mean(-1)}

    def temperature_loss(self, entropy: Tensor) -> tuple[Tensor, Metrics]:
        """Hold the policy's entropy (R,) at its target: (R,), and metrics (R,)."""
        loss = temperature_loss(self.temperature.log, entropy, self.target_entropy)
        return loss, {"actor/temperature": self.temperature().detach().squeeze(-1)}
