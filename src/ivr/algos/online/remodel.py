"""From offline to online by critics that are first made to match the offline policy pi_0.

The critic of an in-sample method does not match its policy: with it the first online improvement
leaves pi_0, most where the data are thin. So K critics are fitted anew, without an environment,

    evaluation   sum_k E_D[ w_k (y_k - Q_k(s, a))^2 ],  y_k = r + gamma (1 - d) Q'_k(s', pi_0(s'))
    alignment    E[ (Q_k(s, a_j) - Q_k(s, m) - lambda_0 log(pi_0(a_j|s) / pi_0(m|s)))_+^2 ]
                 + E[ (Q_k(s, m) - Q_k^evaluation(s, m))^2 ],   m the mode of pi_0

and then, on batches of old and new data,

    critic       sum_k E[ (y - Q_k(s, a))^2 ],  y = r + gamma (1 - d) min_{2 of K} Q'_k(s', pi(s'))
    actor        max E[ mean_k Q_k(s, a) ] - lambda KL(pi || pi'),  pi' the Polyak average of pi
    multiplier   lambda, so that KL stays at a budget that grows

w_k are bootstrap weights of episodes; the K critics of the evaluation take no minimum, for it is
none of an optimum.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.algos.online.from_policy import FromPolicy
from ivr.losses.actor import gaussian_kl, kl_regularised_loss
from ivr.losses.conservative import multiplier_loss
from ivr.losses.critic import least_of_two, td_loss, td_target
from ivr.losses.online import (
    alignment_loss,
    analytic_critic,
    anchor_loss,
    attainable_range,
    bootstrapped_td_loss,
)
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import EnsembleCritic, TwinCritic
from ivr.nets.scalars import PositiveScalar
from ivr.types import Batch, Needs

REMODELS = ("fqe_align", "fqe", "analytic", "none")


class Remodel(FromPolicy):
    """Critics matched to pi_0, then policy improvement that stays near its own recent past.

    Args:
        remodel: fqe_align, fqe (without the alignment), analytic (the offline Q + alpha log mu), or
            none (the offline Q); the last two are copied into the K critics by regression.
        evaluation_updates, alignment_updates: how long the critics are fitted before the first
            step online; the behaviour policy mu of `analytic` is fitted beside them.
        evaluation_tau: Polyak's tau of the evaluation's targets. Values reach the end of an episode
            in some 1 / (tau (1 - gamma)) updates, and a policy that stays needs no caution.
        reward_range: least and greatest reward of the data, as they are trained on.
        alpha: the offline run's temperature, for `analytic`.
        critics: K.
        critic_hidden: sizes of the critics' hidden layers; None for those of the policy.
        alignment: lambda_0, in the units of Q.
        proposals: actions a_j of each of the two kinds of the alignment.
        kl_budget: nats that pi may be away from its average, at the first and the last update.
        multiplier: lambda at first, in the units of Q.
        reference_tau: Polyak's tau of the average of pi.
        gate: standard deviations c of the ensemble below its mean at which the learner's action is
            judged; None for no gate.
        gate_slack: by how many standard deviations it may fall short of pi_0's at the last step.
        actor_lr, critic_lr, multiplier_lr: learning rates.
        target_tau: Polyak's tau of the target critics.
        shared: see `FromPolicy`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order = ("behaviour", "evaluation", "critic", "actor", "multiplier")

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        hidden: Sequence[int],
        reward_range: Sequence[float],
        remodel: str = "fqe_align",
        evaluation_updates: int = 8000,
        alignment_updates: int = 2000,
        evaluation_tau: float = 0.05,
        alpha: float | Sequence[float] | None = None,
        critics: int = 10,
        critic_hidden: Sequence[int] | None = None,
        alignment: float = 0.1,
        proposals: int = 4,
        kl_budget: Sequence[float] = (0.125, 2.0),
        multiplier: float = 1.0,
        reference_tau: float = 0.005,
        gate: float | None = 1.0,
        gate_slack: float = 1.0,
        actor_lr: float = 3e-4,
        critic_lr: float = 3e-4,
        multiplier_lr: float = 3e-4,
        target_tau: float = 0.005,
        **shared: Any,
    ) -> None:
        if remodel not in REMODELS:
            raise ValueError(f"remodel={remodel}: there is {', '.join(REMODELS)}")
        check_range("critics", critics, critics >= 2, "from 2 on")
        check_range("proposals", proposals, proposals >= 1, "from 1 on")
        for name, tau in (
            ("target_tau", target_tau),
            ("reference_tau", reference_tau),
            ("evaluation_tau", evaluation_tau),
        ):
            check_range(name, tau, 0 < tau <= 1, "in (0, 1]")
        rates = {"evaluation": critic_lr, "critic": critic_lr, "actor": actor_lr}
        rates["multiplier"] = multiplier_lr
        if remodel == "analytic":
            rates["behaviour"] = actor_lr
        super().__init__(
            observation_dim=observation_dim,
            action_low=action_low,
            hidden=hidden,
            learning_rates=rates,
            **shared,
        )
        dims = observation_dim, len(action_low)
        sizes = (*dims, hidden if critic_hidden is None else critic_hidden)
        self.evaluation, self.target_evaluation, self.critic, self.target_critic = (
            EnsembleCritic(*sizes, self.generators("critics"), critics) for _ in range(4)
        )
        self.reference = GaussianActor(*dims, hidden, self.generators("actor"))
        for copied in (self.target_evaluation, self.target_critic, self.reference):
            copied.requires_grad_(False)
        self.multiplier = PositiveScalar(self.runs, multiplier)
        self.offline_critic: TwinCritic | None = None
        if remodel in ("analytic", "none"):
            self.offline_critic = TwinCritic(*dims, hidden, self.generators("critic"))
            self.offline_critic.requires_grad_(False)
        if remodel == "analytic":
            if alpha is None:
                raise ValueError("remodel=analytic: the offline run has no alpha")
            alphas = torch.as_tensor(alpha, dtype=torch.float32).expand(self.runs).clone()
            self.register_buffer("alpha", alphas[:, None], persistent=False)
            self.alpha: Tensor
            self.behaviour = GaussianActor(*dims, hidden, self.generators("behaviour"))
        self.remodel = remodel
        self.evaluation_updates = evaluation_updates
        self.evaluation_tau = evaluation_tau
        self.alignment_updates = alignment_updates if remodel == "fqe_align" else 0
        least, greatest = reward_range
        self.range = attainable_range(least, greatest, self.discount)
        self.critics = critics
        self.alignment = alignment
        self.proposals = proposals
        self.kl_budget = tuple(kl_budget)
        self.reference_tau = reference_tau
        self.gate = gate
        self.gate_slack = gate_slack
        self.target_tau = target_tau

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """Bootstrap weights, for each critic its own."""
        return Needs(bootstrap=options["critics"])

    @property
    def offline_updates(self) -> int:
        """Updates before the first step online."""
        return self.evaluation_updates + self.alignment_updates

    def begin_with(self, policy: OfflineAlgorithm) -> None:
        """Take over the policy of an offline run and, where it is asked for, its critic.

        Raises:
            ValueError: its policy is no Gaussian, or it has no critic of its own.
        """
        super().begin_with(policy)
        self.reference.load_state_dict(self.actor.state_dict())
        if self.offline_critic is not None:
            found = getattr(policy, "target_critic", None)
            if not isinstance(found, TwinCritic):
                raise ValueError(f"remodel={self.remodel} needs a critic, and it has none")
            self.offline_critic.load_state_dict(found.state_dict())

    def networks_due(self, update: int) -> tuple[str, ...]:
        """Those of the evaluation, of the alignment, or of the training online."""
        if update < self.evaluation_updates:
            due: tuple[str, ...] = ("behaviour", "evaluation")
        elif update < self.offline_updates:
            due = ("critic",)
        else:
            due = ("critic", "actor", "multiplier")
        return tuple(name for name in self.trained_networks if name in due)

    def before_update(self, update: int) -> None:
        """Begin the critics as what the evaluation has become, and their target as them."""
        if update == self.evaluation_updates:
            self.critic.load_state_dict(self.evaluation.state_dict())
        if update == self.offline_updates:
            self.target_critic.load_state_dict(self.critic.state_dict())

    def update(self, batch: Batch) -> None:
        """Evaluate pi_0, align the critics with it, or improve it: one after the other."""
        if self.due("actor"):
            self.improve(batch)
        elif self.due("critic"):
            self.minimise("critic", self.aligned_loss, batch, *self.proposal_noise(batch))
        else:
            self.evaluate(batch)

    # Before the first step online.

    def evaluate(self, batch: Batch) -> None:
        """One step of the evaluation, and of mu where it is needed."""
        if self.due("behaviour"):
            self.minimise("behaviour", self.behaviour_loss, batch)
        noise = self.noise.normal("evaluation", batch.actions)
        self.minimise("evaluation", self.evaluation_loss, batch, noise)
        self.polyak(self.evaluation, self.target_evaluation, self.evaluation_tau)

    def behaviour_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Behaviour cloning: (R,), and no metrics."""
        return -self.behaviour.log_prob(batch.observations, batch.actions).mean(-1), {}

    def evaluation_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """Of each critic against a target of its own: (R,), and metrics (R,)."""
        q = self.evaluation(batch.observations, batch.actions)
        loss = bootstrapped_td_loss(q, self.evaluation_target(batch, noise), batch.bootstrap)
        spread = q.detach().std(1).mean(-1)
        return loss, {"value/q": q.detach().mean((1, 2)), "value/spread": spread}

    @torch.no_grad()
    def evaluation_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """What the critics are fitted to, (R, K, B)."""
        if self.offline_critic is not None:
            q: Tensor = self.offline_critic(batch.observations, batch.actions).amin(1)
            if self.remodel == "analytic":
                log_prob = self.behaviour.log_prob(batch.observations, batch.actions)
                q = analytic_critic(q, log_prob, self.alpha)
            return q[:, None].expand(-1, self.critics, -1)
        following = self.initial_policy.sample(batch.next_observations, noise)
        next_q = self.target_evaluation(batch.next_observations, following)
        rewards, terminated = batch.rewards[:, None], batch.terminated[:, None]
        target = td_target(rewards, terminated, next_q, self.discount)
        return target.clamp(*self.range)

    def proposal_noise(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Normal and uniform draws of the alignment, (R, M, B, A) each."""
        many = batch.actions[:, None].expand(-1, self.proposals, -1, -1)
        return self.noise.normal("proposals/policy", many), self.noise.uniform("proposals", many)

    def aligned_loss(self, batch: Batch, normal: Tensor, uniform: Tensor) -> tuple[Tensor, Metrics]:
        """Lower Q where pi_0 is thin, and hold it at pi_0's mode: (R,), and metrics (R,)."""
        states, policy = batch.observations, self.initial_policy
        with torch.no_grad():
            mode = policy(states)
            # Half of them from pi_0 with twice its standard deviation, half even.
            actions = torch.cat((policy.sample(states, 2 * normal), uniform), 1)
            at_mode = policy.log_prob(states, mode)
            excess = torch.stack(
                [policy.log_prob(states, a) - at_mode for a in actions.unbind(1)], 1
            )
            evaluated = self.evaluation(states, mode)
        repeated = states[:, None].expand(-1, actions.shape[1], -1, -1).flatten(1, 2)
        proposed = self.critic(repeated, actions.flatten(1, 2))
        proposed = proposed.unflatten(-1, (actions.shape[1], -1))
        at_mode_q = self.critic(states, mode)
        lowering = alignment_loss(proposed, at_mode_q, excess, self.alignment)
        anchor = anchor_loss(at_mode_q, evaluated)
        return lowering + anchor, {"alignment/lowering": lowering.detach()}

    # Online.

    def improve(self, batch: Batch) -> None:
        """The critics, the actor with the new critics, lambda by the KL that it had, averages."""
        noise = self.noise.normal("target", batch.actions)
        order = self.noise.unit("critics", batch.rewards[:, : self.critics])
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
            target = target.clamp(*self.range)
        q = self.critic(batch.observations, batch.actions)
        spread = q.detach().std(1).mean(-1)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2)), "value/spread": spread}

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
        learner = self.actor.sample(states, noise[0])
        if self.gate is None:
            return learner, None
        initial = self.initial_policy.sample(states, noise[1])
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
