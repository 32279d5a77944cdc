"""From offline to online by critics that match the offline policy (`MatchedCritics`).

On batches of old and new data,

    critic       sum_k E[ (y - Q_k(s, a))^2 ],  y = r + gamma (1 - d) min_{2 of K} Q'_k(s', pi(s')),
                 cut to what the rewards seen so far can add up to
    actor        max E[ mean_k Q_k(s, a) ] - lambda KL(pi || pi'),  pi' the Polyak average of pi
    multiplier   lambda, so that KL stays at a budget that grows
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.algos.online.matched import MatchedCritics
from ivr.losses.actor import gaussian_kl, kl_regularised_loss
from ivr.losses.conservative import multiplier_loss
from ivr.losses.critic import least_of_two, td_loss, td_target
from ivr.losses.evaluation import attainable_range
from ivr.nets.actors import GaussianActor
from ivr.nets.scalars import PositiveScalar
from ivr.types import Batch


class Remodel(MatchedCritics):
    """Critics matched to pi_0, then policy improvement that stays near its own recent past.

    Args:
        kl_budget: nats that pi may be away from its average, at the first and the last update.
        multiplier: lambda at first, in the units of Q.
        reference_tau: Polyak's tau of the average of pi: at 5e-4 that of the last 2,000 updates.
        gate: standard deviations c of the ensemble below its mean at which the learner's action is
            judged; None for no gate.
        gate_slack: by how many standard deviations it may fall short of pi_0's at the last step.
        multiplier_lr: learning rate of lambda.
        target_tau: Polyak's tau of the target critics.
        shared: see `MatchedCritics`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order = (*MatchedCritics.step_order, "actor", "multiplier")

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        hidden: Sequence[int],
        kl_budget: Sequence[float] = (0.125, 2.0),
        multiplier: float = 10.0,
        reference_tau: float = 5e-4,
        gate: float | None = 1.0,
        gate_slack: float = 1.0,
        multiplier_lr: float = 3e-4,
        target_tau: float = 0.005,
        **shared: Any,
    ) -> None:
        for name, tau in (("target_tau", target_tau), ("reference_tau", reference_tau)):
            check_range(name, tau, 0 < tau <= 1, "in (0, 1]")
        check_range("multiplier", multiplier, multiplier > 0, "above 0")
        check_range("gate", gate, gate is None or gate >= 0, "from 0 on, or be null")
        check_range("gate_slack", gate_slack, gate_slack >= 0, "from 0 on")
        if len(kl_budget) != 2 or min(kl_budget) < 0:
            raise ValueError(f"kl_budget={list(kl_budget)} must be two numbers from 0 on")
        super().__init__(
            observation_dim=observation_dim,
            action_low=action_low,
            hidden=hidden,
            learning_rates={"multiplier": multiplier_lr},
            **shared,
        )
        sizes = (observation_dim, len(action_low), hidden)
        self.reference = GaussianActor(*sizes, self.generators("actor")).requires_grad_(False)
        self.multiplier = PositiveScalar(self.runs, multiplier)
        self.kl_budget = tuple(kl_budget)
        self.reference_tau = reference_tau
        self.gate = gate
        self.gate_slack = gate_slack
        self.target_tau = target_tau
        seen = torch.tensor([shared["reward_range"]], dtype=torch.float32)
        self.register_buffer("rewards_seen", seen.repeat(self.runs, 1))
        self.rewards_seen: Tensor
        """The least and the greatest reward, of the data and since, (R, 2)."""
        # Checkpoints of 0.2.0 have none.
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            lambda module, state, prefix, *rest: state.setdefault(
                f"{prefix}rewards_seen", module.rewards_seen
            )
        )

    def begin_with(self, policy: OfflineAlgorithm) -> None:
        """Take over the policy of an offline run; see `MatchedCritics`."""
        super().begin_with(policy)
        self.reference.load_state_dict(self.actor.state_dict())

    def networks_due(self, update: int) -> tuple[str, ...]:
        """Those of the evaluation, of the alignment, or of the training online."""
        if update < self.evaluation_updates:
            due: tuple[str, ...] = ("behaviour", "evaluation")
        elif update < self.offline_updates:
            due = ("critic",)
        else:
            due = ("critic", "actor", "multiplier")
        return tuple(name for name in self.trained_networks if name in due)

    def update(self, batch: Batch) -> None:
        """Match the critics with pi_0, then improve it."""
        if self.due("actor"):
            self.improve(batch)
        else:
            self.match(batch)

    def improve(self, batch: Batch) -> None:
        """The critics, the actor with the new critics, lambda by the KL that it had, averages."""
        self.see(batch.rewards)
        noise = self.noise.normal("target", batch.actions)
        order = self.noise.unit("critics", batch.rewards.new_empty(self.runs, self.critics))
        self.minimise("critic", self.critic_loss, batch, noise, order)
        noise = self.noise.normal("policy", batch.actions)
        measured = self.minimise("actor", self.actor_loss, batch, noise)
        self.minimise("multiplier", self.multiplier_loss, measured["actor/kl"])
        self.polyak(self.critic, self.target_critic, self.target_tau)
        self.polyak(self.actor, self.reference, self.reference_tau)

    def critic_loss(self, batch: Batch, noise: Tensor, order: Tensor) -> tuple[Tensor, Metrics]:
        """TD with the least of two target critics that `order` (R, K) draws: (R,), metrics (R,)."""
        with torch.no_grad():
            following = self.actor.sample(batch.next_observations, noise)
            next_q = self.target_critic(batch.next_observations, following)
            next_v = least_of_two(next_q, order)
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
            target = target.clamp(*self.attainable())
        q = self.critic(batch.observations, batch.actions)
        spread = q.detach().std(1).mean(-1)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2)), "value/spread": spread}

    def see(self, rewards: Tensor) -> None:
        """Let targets reach what rewards (R, B) add up to, which the data may lack."""
        least, greatest = rewards.aminmax(dim=-1)
        self.rewards_seen[:, 0].clamp_(max=least)
        self.rewards_seen[:, 1].clamp_(min=greatest)

    def attainable(self) -> tuple[Tensor, Tensor]:
        """What the rewards seen so far can add up to, least and most, (R, 1) each."""
        _, horizon = attainable_range(0, 1, self.discount)
        least, greatest = self.rewards_seen[:, :1], self.rewards_seen[:, 1:]
        return (
            torch.where(least < 0, horizon * least, least),
            torch.where(greatest > 0, horizon * greatest, greatest),
        )

    def actor_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """Q of the policy, and how far it is from its average: (R,), and metrics (R,)."""
        actions = self.actor.sample(batch.observations, noise)
        q = self.constant("critic")(batch.observations, actions).mean(1)
        with torch.no_grad():
            reference = self.reference(batch.observations), self.reference.clamped_log_std
        kl = gaussian_kl(self.actor(batch.observations), self.actor.clamped_log_std, *reference)
        loss = kl_regularised_loss(self.improved(batch, actions, q), kl, self.multiplier().detach())
        return loss, {"actor/kl": kl.detach().mean(-1), "actor/q": q.detach().mean(-1)}

    def improved(self, batch: Batch, actions: Tensor, q: Tensor) -> Tensor:
        """What the actor maximises, (R, B): Q, with the entropy at alpha where pi_0 is its optimum.

        Q + alpha log mu has pi_0 as its energy policy, at alpha; without the entropy a step would
        only sharpen pi_0.
        """
        if self.remodel != "analytic":
            return q
        return q - self.alpha * self.actor.log_prob(batch.observations, actions)

    def multiplier_loss(self, kl: Tensor) -> tuple[Tensor, Metrics]:
        """Hold the KL (R,) at its budget: (R,), and metrics (R,)."""
        multiplier = self.multiplier()
        first, last = self.kl_budget
        online = max(1, self.num_updates - self.offline_updates)
        done = ((self.noise.clock - self.offline_updates) / online).clamp(0, 1)
        loss = multiplier_loss(multiplier, kl - first - (last - first) * done, 0.0)
        return loss, {"actor/multiplier": multiplier.detach().squeeze(-1)}

    @torch.no_grad()
    def explore(
        self, observations: Tensor, noise: Tensor, progress: float
    ) -> tuple[Tensor, Tensor | None]:
        """See `FromPolicy`; the gate lets the learner's action pass where it is as good.

        That is where mean - c sd of its Q over the critics reaches that of pi_0's action, but for a
        slack that grows with the progress.
        """
        states = self.standardise(observations)
        learner = self.actor.sample(states, noise)
        if self.gate is None:
            return learner, None
        # The same draws: the choice is between policies, not between two tries of one.
        initial = self.initial_policy.sample(states, noise)
        theirs, ours = (self.critic(states, actions) for actions in (learner, initial))
        slack = progress * self.gate_slack * ours.std(1)
        passed = self._lower(theirs) >= self._lower(ours) - slack
        return torch.where(passed[..., None], learner, initial), passed.float()

    def _lower(self, q: Tensor) -> Tensor:
        assert self.gate is not None
        lower: Tensor = q.mean(1) - self.gate * q.std(1)
        return lower

    def value_of(self, observations: Tensor) -> Tensor:
        """The critics' mean at the policy's mode, (R, N)."""
        value: Tensor = self.critic(observations, self.actor(observations)).mean(1)
        return value
