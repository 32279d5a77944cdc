"""The critic of the data's policy, which one-step methods improve on.

Q       E_D[ (r + gamma (1 - d) Q(s', a') - Q(s, a))^2 ], a' the data's next action (SARSA)
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.actor import imitation_loss
from ivr.losses.critic import td_loss, td_target
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import TwinCritic
from ivr.types import Batch, Needs


class SarsaCritic(OfflineAlgorithm):
    """The critic of the data's policy, which the improvement operators share.

    An operator adds its own networks and their learning rates. One that needs the data's policy
    trains it as `behaviour`.

    Args:
        discount: gamma.
        target_tau: Polyak's tau.
        hidden: sizes of the hidden layers of every network.
        actor_lr_cosine: let the learning rates of policies fall to 0 along a cosine.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    behaviour: GaussianActor

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        discount: float = 0.99,
        critic_lr: float = 3e-4,
        target_tau: float = 0.005,
        hidden: Sequence[int] = (256, 256),
        actor_lr_cosine: bool = True,
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"critic": critic_lr},
            cosine_decay=("actor", "behaviour") if actor_lr_cosine else (),
            **run,
        )
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        self.sizes = (observation_dim, len(action_low), tuple(hidden))
        self.critic = TwinCritic(*self.sizes, self.generators("critic"))
        self.target_critic = TwinCritic(*self.sizes, self.generators("critic"))
        self.target_critic.requires_grad_(False)
        self.discount = discount
        self.target_tau = target_tau

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """The data's next actions."""
        return Needs(next_actions=True)

    def update(self, batch: Batch) -> None:
        """Q, its target, then the operator's own networks."""
        self.minimise("critic", self.critic_loss, batch)
        self.polyak(self.critic, self.target_critic, self.target_tau)
        self.improve(batch)

    @abstractmethod
    def improve(self, batch: Batch) -> None:
        """One step of the operator's networks."""

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """SARSA, for both critics: (R,), and metrics (R,)."""
        q, target = self.critic_and_target(batch)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2))}

    def critic_and_target(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Q of both critics (R, 2, B), and r + gamma (1 - d) Q(s', a'), detached."""
        with torch.no_grad():
            next_q = self.target_critic(batch.next_observations, batch.next_actions).amin(1)
            target = td_target(batch.rewards, batch.terminated, next_q, self.discount)
        return self.critic(batch.observations, batch.actions), target

    def behaviour_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Maximum likelihood of the data's actions: (R,), and no metrics."""
        return imitation_loss(self.behaviour.log_prob(batch.observations, batch.actions)), {}
