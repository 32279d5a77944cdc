"""Calibrated Q-learning online (Nakamoto et al., NeurIPS 2023), from an offline policy and critic.

    critic       E[ (y - Q_k(s, a))^2 ] + c gap_k,  y = r + gamma (1 - d) min_k Q'_k(s', a')
    gap          E[ log sum_j exp(max(Q_k(s, a_j), G(s))) / p(a_j|s) - Q_k(s, a) ]   (equation 5.1)
    actor        as in `SoftFromOffline`

a_j are even, and the policy's at s and at s'; G, at the policy's alone, is the return to go of the
transition's own episode, offline or online. Where an episode has not ended yet there is none, and
Q itself is seen. The gap is CQL's plain one, on all of a batch; the target has no entropy.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.algos.online.sac import SoftFromOffline
from ivr.algos.shared.conservative import Draws, draw, of_each, propose
from ivr.losses.conservative import action_gap, calibrated, conservative_loss
from ivr.losses.critic import td_loss, td_target
from ivr.nets.actors import TanhGaussianActor
from ivr.types import Batch, Needs


class CalibratedFromOffline(SoftFromOffline):
    """Soft actor-critic whose critic is kept low at the policy's actions, down to the returns seen.

    Args:
        gap_weight: c, in the units of Q.
        proposals: how many actions a_j of each of the three kinds.
        shared: see `SoftFromOffline`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    def __init__(self, *, gap_weight: float = 5.0, proposals: int = 10, **shared: Any) -> None:
        super().__init__(**shared)
        check_range("gap_weight", gap_weight, gap_weight >= 0, "from 0 on")
        check_range("proposals", proposals, proposals >= 1, "from 1 on")
        self.gap_weight = gap_weight
        self.proposals = proposals

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """Returns to go."""
        return Needs(return_discount=options["discount"])

    def begin_with(self, policy: OfflineAlgorithm) -> None:
        """Take over the policy and the critics of an offline run.

        Raises:
            ValueError: its policy is no Gaussian, or it has no critic of its own.
        """
        if isinstance(getattr(policy, "actor", None), TanhGaussianActor):
            raise ValueError(
                "its policy is squashed, as that of calql itself is, which goes on with its own "
                "losses: give online=continue"
            )
        super().begin_with(policy)

    def update(self, batch: Batch) -> None:
        """The critics, the actor with the new ones, its temperature, the target."""
        self.minimise("critic", self.conservative_loss, batch, self.draws(batch))
        self.improve(batch)

    def draws(self, batch: Batch) -> Draws:
        """The randomness of one step of the critics."""
        return draw(self.noise, batch, self.proposals)

    def conservative_loss(self, batch: Batch, draws: Draws) -> tuple[Tensor, Metrics]:
        """TD and the calibrated gap, for both critics: (R,), and metrics (R,)."""
        assert batch.discounted_returns_to_go is not None
        with torch.no_grad():
            following, _ = self.sample(batch.next_observations, draws.target)
            next_q = of_each(self.target_critic, batch.next_observations, following)[:, :, 0]
            target = td_target(batch.rewards, batch.terminated, next_q.amin(1), self.discount)
        actions, log_density = propose(self.sample, batch, draws)
        # The data's action and the proposals in one call.
        actions = torch.cat((batch.actions[:, None], actions), 1)
        values = of_each(self.critic, batch.observations, actions)
        q, even, policy = torch.tensor_split(values, (1, 1 + self.proposals), 2)
        q, policy = q[:, :, 0], calibrated(policy, batch.discounted_returns_to_go)
        gap = action_gap(q, torch.cat((even, policy), 2), log_density)
        td = td_loss(q, target)
        metrics = {"value/q": q.detach().mean((1, 2)), "penalty/gap": gap.detach().mean(-1)}
        return td + conservative_loss(gap, self.gap_weight), metrics

    def sample(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of the policy (R, M, B, A) and their log-density (R, M, B)."""
        actions = self.actor.sample(states, noise)
        log_prob = [self.actor.log_prob(states, a) for a in actions.unbind(1)]
        return actions, torch.stack(log_prob, 1)
