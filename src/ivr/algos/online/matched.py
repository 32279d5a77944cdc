"""Critics that are made to match the offline policy pi_0 before its first step online.

The critic of an in-sample method does not match its policy: with it the first online improvement
leaves pi_0, most where the data are thin. So K critics are fitted anew, without an environment:

    evaluation   sum_k E_D[ w_k (y_k - Q_k(s, a))^2 ],  y_k = r + gamma (1 - d) Q'_k(s', pi_0(s'))
    alignment    E[ (Q_k(s, a_j) - Q_k(s, m) - lambda_0 log(pi_0(a_j|s) / pi_0(m|s)))_+^2 ]
                 + E[ (Q_k(s, m) - Q_k^evaluation(s, m))^2 ],   m the mode of pi_0

w_k are bootstrap weights of episodes. There is no minimum over the critics: a policy is evaluated,
and no optimum sought.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.algos.online.from_policy import FromPolicy
from ivr.losses.evaluation import attainable_range, bootstrapped_td_loss, evaluation_target
from ivr.losses.online import alignment_loss, analytic_critic, anchor_loss
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import EnsembleCritic, TwinCritic
from ivr.types import Batch, Needs

REMODELS = ("fqe_align", "fqe", "analytic", "none")


class MatchedCritics(FromPolicy):
    """K critics of pi_0, and their targets, which a way online then trains on.

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
        actor_lr, critic_lr: learning rates.
        learning_rates: of what else is trained.
        shared: see `FromPolicy`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order: tuple[str, ...] = ("behaviour", "evaluation", "critic")

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
        actor_lr: float = 3e-4,
        critic_lr: float = 3e-4,
        learning_rates: Mapping[str, float],
        **shared: Any,
    ) -> None:
        if remodel not in REMODELS:
            raise ValueError(f"remodel={remodel}: there is {', '.join(REMODELS)}")
        check_range("critics", critics, critics >= 2, "from 2 on")
        check_range("alignment", alignment, alignment >= 0, "from 0 on")
        check_range("proposals", proposals, proposals >= 1, "from 1 on")
        check_range("evaluation_tau", evaluation_tau, 0 < evaluation_tau <= 1, "in (0, 1]")
        rates = {"evaluation": critic_lr, "critic": critic_lr, "actor": actor_lr, **learning_rates}
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
        for copied in (self.target_evaluation, self.target_critic):
            copied.requires_grad_(False)
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
        if self.offline_critic is not None:
            found = getattr(policy, "target_critic", None)
            if not isinstance(found, TwinCritic):
                raise ValueError(f"remodel={self.remodel} needs a critic, and it has none")
            self.offline_critic.load_state_dict(found.state_dict())

    def before_update(self, update: int) -> None:
        """Begin the critics as what the evaluation has become, and their target as them."""
        if update == self.evaluation_updates:
            self.critic.load_state_dict(self.evaluation.state_dict())
        if update == self.offline_updates:
            self.target_critic.load_state_dict(self.critic.state_dict())

    def match(self, batch: Batch) -> None:
        """One step of the evaluation or, where the critics are due, of the alignment."""
        if self.due("critic"):
            self.minimise("critic", self.aligned_loss, batch, *self.proposal_noise(batch))
        else:
            self.evaluate(batch)

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
        return evaluation_target(batch.rewards, batch.terminated, next_q, self.discount, self.range)

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
