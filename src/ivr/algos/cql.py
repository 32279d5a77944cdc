"""Conservative Q-learning (Kumar et al., NeurIPS 2020): CQL(H), plain or by Lagrange.

critic  E_D[ (r + gamma (1 - d) Q(s', a') - Q(s, a))^2 ] + alpha gap,  a' ~ pi(.|s')
gap     E_D[ log sum_j exp(Q(s, a_j)) / p(a_j|s) - Q(s, a) ]           (equation 4)

a_j are drawn evenly, from pi(.|s) and from pi(.|s'). With a multiplier m that is trained
(appendix F) the second term is m alpha (gap - threshold). Policy and entropy temperature are those
of `SoftActorCritic`; the target has no entropy, as in the released code.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.conservative import Draws, draw, of_each, propose
from ivr.algos.shared.soft_actor_critic import SoftActorCritic
from ivr.losses.conservative import action_gap, conservative_loss, multiplier_loss
from ivr.losses.critic import td_loss, td_target
from ivr.nets.scalars import PositiveScalar
from ivr.types import Batch


class ConservativeQLearning(SoftActorCritic):
    """Twin critics that are kept low where the policy may go, and a soft policy that they improve.

    Args:
        alpha: weight of the gap, one for all runs or one for each: large stays with the data.
        gap_threshold: the gap that the Lagrange version allows, for the sum of the released code
            (see `action_gap`); None for the plain version.
        gap_floor: lower bound of a state's gap; None is the equation.
        proposals: how many actions a_j of each of the three kinds.
        max_target: the target takes the best of as many actions of the policy, not a single one.
        actor_lr, hidden, shared: see `SoftActorCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = "Raise alpha or lower the learning rates."

    step_order: tuple[str, ...] = (*SoftActorCritic.step_order, "multiplier")

    last_gain = 0.01
    """As in CORL (Tarasov et al., NeurIPS 2023), `init_module_weights`."""

    def __init__(
        self,
        *,
        alpha: float | Sequence[float],
        gap_threshold: float | None = None,
        gap_floor: float | None = None,
        proposals: int = 10,
        max_target: bool = False,
        actor_lr: float = 3e-5,
        hidden: Sequence[int] = (256, 256, 256),
        **shared: Any,
    ) -> None:
        super().__init__(actor_lr=actor_lr, hidden=hidden, **shared)
        check_range("proposals", proposals, proposals >= 1, "from 1 on")
        alphas = torch.as_tensor(alpha, dtype=torch.float32).expand(self.runs).clone()
        self.register_buffer("alpha", alphas[:, None], persistent=False)
        self.alpha: Tensor
        self.gap_threshold = gap_threshold
        self.gap_floor = gap_floor
        self.proposals = proposals
        self.max_target = max_target
        if gap_threshold is not None:
            self.multiplier = PositiveScalar(self.runs, math.e)
            self.learning_rates["multiplier"] = self.learning_rates["critic"]

    def update_critic(self, batch: Batch) -> None:
        """The critics, then the multiplier by the gap that they had."""
        measured = self.minimise("critic", self.critic_loss, batch, self.draws(batch))
        if self.gap_threshold is not None:
            self.minimise("multiplier", self.multiplier_loss, measured["penalty/gap"])

    def draws(self, batch: Batch) -> Draws:
        """The randomness of one step of the critic."""
        return draw(self.noise, batch, self.proposals, self.proposals if self.max_target else 1)

    def critic_loss(self, batch: Batch, draws: Draws) -> tuple[Tensor, Metrics]:
        """TD and the conservative gap, for both critics: (R,), and metrics (R,)."""
        target = self.target(batch, draws)
        actions, log_density = self.propose(batch, draws)
        # The data's action and the proposals in one call.
        actions = torch.cat((batch.actions[:, None], actions), 1)
        values = of_each(self.critic, batch.observations, actions)
        q, proposed = values[:, :, 0], values[:, :, 1:]
        gap = action_gap(q, self.compared(batch, proposed), log_density, self.gap_floor)
        td = td_loss(q, target)
        metrics = {
            "value/q": q.detach().mean((1, 2)),
            "value/q_of_policy": proposed[:, :, self.proposals : 2 * self.proposals]
            .detach()
            .mean((1, 2, 3)),
            "penalty/td": td.detach(),
            "penalty/gap": gap.detach().mean(-1),
        }
        return td + self.penalty(gap), metrics

    def penalty(self, gap: Tensor) -> Tensor:
        """Of the gaps (R, K), plain or by Lagrange: (R,)."""
        if self.gap_threshold is None:
            return conservative_loss(gap, self.alpha)
        weight = self.alpha * self.multiplier().detach()
        return conservative_loss(gap - self.gap_threshold, weight)

    @torch.no_grad()
    def target(self, batch: Batch, draws: Draws) -> Tensor:
        """r + gamma (1 - d) min_k Q_k(s', a'), (R, B)."""
        actions, _ = self.actor.sample(batch.next_observations, draws.target)
        next_q = of_each(self.target_critic, batch.next_observations, actions).amin(1).amax(1)
        return td_target(batch.rewards, batch.terminated, next_q, self.discount)

    def propose(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Actions a_j (R, 3M, B, A) even, at s and at s', and log p(a_j) (R, 3M, B)."""
        return propose(self.actor.sample, batch, draws)

    def compared(self, batch: Batch, proposed: Tensor) -> Tensor:
        """What the gap sees of Q at the proposals, (R, K, 3M, B)."""
        return proposed

    def multiplier_loss(self, gap: Tensor) -> tuple[Tensor, Metrics]:
        """Hold the gap (R,) at its threshold: (R,), and metrics (R,)."""
        assert self.gap_threshold is not None
        multiplier = self.multiplier()
        loss = multiplier_loss(multiplier, gap, self.gap_threshold)
        return loss, {"penalty/multiplier": multiplier.detach().squeeze(-1)}
