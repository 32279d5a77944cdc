"""Fitted Q-evaluation (Le et al., ICML 2019): the critics of policies that are given.

Q_k     E_D[ w_k (r + gamma (1 - d) Q'_k(s', pi(s')) - Q_k(s, a))^2 ]

It is a SARSA whose next action is the policy's: the data module serves pi(s') as `next_actions`,
computed once, so that nothing here knows the policies. No minimum is taken over the K critics, each
of which has a target and a bootstrap w_k of the episodes of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.critic import td_target
from ivr.losses.evaluation import bootstrapped_td_loss, evaluation_target
from ivr.nets.critics import EnsembleCritic
from ivr.types import Batch, Needs


class FittedQEvaluation(OfflineAlgorithm):
    """K critics of each of R policies.

    Args:
        limits: of any policy's values, for each run or one for all; targets are cut to them.
        discount: gamma.
        critics: K.
        hidden: sizes of the critics' hidden layers, which have layer normalisation.
        critic_lr: learning rate, which falls to 0 along a cosine.
        target_tau: Polyak's tau. Values reach the end of an episode in some 1 / (tau (1 - gamma))
            updates, and a policy that stays needs no caution.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order = ("critic",)

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        limits: tuple[float, float],
        discount: float = 0.99,
        critics: int = 8,
        hidden: Sequence[int] = (256, 256),
        critic_lr: float = 3e-4,
        target_tau: float = 0.05,
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"critic": critic_lr},
            cosine_decay=("critic",),
            **run,
        )
        check_range("critics", critics, critics >= 1, "from 1 on")
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        self.sizes = (observation_dim, len(action_low), tuple(hidden))
        self.critics = critics
        self.critic, self.target_critic = (
            EnsembleCritic(*self.sizes, self.generators("critics"), critics) for _ in range(2)
        )
        self.target_critic.load_state_dict(self.critic.state_dict())
        self.target_critic.requires_grad_(False)
        self.limits = limits
        self.discount = discount
        self.target_tau = target_tau

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """Bootstrap weights, for each critic its own."""
        return Needs(bootstrap=options["critics"])

    def update(self, batch: Batch) -> None:
        """The critics, then their targets."""
        self.minimise("critic", self.critic_loss, batch)
        self.polyak(self.critic, self.target_critic, self.target_tau)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Of each critic against a target of its own: (R,), and metrics (R,)."""
        target = self.target(batch)
        q = self.critic(batch.observations, batch.actions)
        loss = bootstrapped_td_loss(q, target, batch.bootstrap)
        return loss, {"value/q": q.detach().mean((1, 2))}

    @torch.no_grad()
    def target(self, batch: Batch) -> Tensor:
        """What the critics are fitted to, (R, K, B)."""
        next_q = self.target_critic(batch.next_observations, batch.next_actions)
        return evaluation_target(
            batch.rewards, batch.terminated, next_q, self.discount, self.limits
        )

    @torch.no_grad()
    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q_k(s, a) of raw observations (R, N, O) and scaled actions (R, N, A): (R, K, N)."""
        q: Tensor = self.critic(self.standardise(observations), actions)
        return q

    @torch.no_grad()
    def td_errors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """y_k - Q_k(s, a) on raw transitions (R, B), and how far y_k was cut: (R, K, B) each."""
        batch = self._standardised(batch)
        q: Tensor = self.critic(batch.observations, batch.actions)
        target = self.target(batch)
        next_q = self.target_critic(batch.next_observations, batch.next_actions)
        whole = td_target(batch.rewards[:, None], batch.terminated[:, None], next_q, self.discount)
        return target - q, (whole - target).abs()
