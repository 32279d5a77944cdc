"""Implicit value regularization (Xu et al., ICLR 2023): Sparse and Exponential Q-learning.

SQL is the order q = 1 of one family of divergences and EQL its limit q -> 0. With
z = (Q - V)/alpha, Phi the potential and w the weight of the divergence:

    V       E_D[ Phi(z) ] + E_D[ V/alpha ]                    (equations 11 and 14)
    actor   -E_D[ w(z) log pi(a|s) ]                          (equations 13 and 15)
    Q       E_D[ (r + gamma (1 - d) V(s') - Q(s, a))^2 ]      (equation 12)

Q in the first two is the minimum of twin target critics. Only the data's actions are evaluated.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ivr.algos.base import Metrics, OfflineAlgorithm
from ivr.losses.actor import (
    divergence_weight,
    positive_advantage_weight,
    weighted_regression_loss,
)
from ivr.losses.critic import td_loss, td_target
from ivr.losses.divergences import q_logarithm
from ivr.losses.value import implicit_value_loss
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import StateValue, TwinCritic
from ivr.types import Batch


class ImplicitValueRegularization(OfflineAlgorithm):
    """The in-sample actor-critic of the paper, for R runs side by side.

    Args:
        alpha: the temperature, one for all runs or one for each, in the units of Q.
        discount: gamma.
        order: q >= 0 of the divergence; 1 is SQL, 0 is EQL.
        target_tau: Polyak's tau.
        hidden: sizes of the hidden layers of every network.
        value_layer_norm: layer normalisation in V.
        actor_dropout: probability to drop a hidden unit of the actor while it trains.
        actor_lr_cosine: let the actor's learning rate fall to 0 along a cosine.
        positive_advantage: weigh the actor's loss by max(Q - V, 0) instead of w (released SQL).
        weight_scale: factor on the advantage inside that weight (released EQL: 10).
        weight_clip: upper bound of that weight (released: 100).
        exponent_clip, batch_max_floor: see `implicit_value_loss` (released EQL: 5 and -1).

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = (
        "Raise alpha, lower the learning rates, or bound the exponent (algo.exponent_clip=5, or "
        "protocol=released)."
    )

    def __init__(
        self,
        *,
        seeds: Sequence[int],
        alpha: float | Sequence[float],
        observation_dim: int,
        action_low: Sequence[float],
        action_high: Sequence[float],
        num_updates: int,
        discount: float = 0.99,
        order: float = 1.0,
        value_lr: float = 3e-4,
        actor_lr: float = 3e-4,
        critic_lr: float = 3e-4,
        target_tau: float = 0.005,
        hidden: Sequence[int] = (256, 256),
        value_layer_norm: bool = True,
        actor_dropout: float = 0.0,
        actor_lr_cosine: bool = True,
        positive_advantage: bool = False,
        weight_scale: float = 1.0,
        weight_clip: float | None = None,
        exponent_clip: float | None = None,
        batch_max_floor: float | None = None,
    ) -> None:
        if not (0 <= actor_dropout < 1 and 0 < target_tau <= 1):
            raise ValueError(
                f"actor_dropout={actor_dropout} must lie in [0, 1), "
                f"target_tau={target_tau} in (0, 1]"
            )
        super().__init__(
            seeds=seeds,
            action_low=action_low,
            action_high=action_high,
            learning_rates={"value": value_lr, "actor": actor_lr, "critic": critic_lr},
            cosine_decay=("actor",) if actor_lr_cosine else (),
            num_updates=num_updates,
        )
        sizes = (observation_dim, len(action_low), hidden)
        self.value = StateValue(observation_dim, hidden, self.generators("value"), value_layer_norm)
        self.actor = GaussianActor(*sizes, self.generators("actor"))
        self.critic = TwinCritic(*sizes, self.generators("critic"))
        self.target_critic = TwinCritic(*sizes, self.generators("critic")).requires_grad_(False)
        alphas = torch.as_tensor(alpha, dtype=torch.float32).expand(len(seeds)).clone()
        self.register_buffer("alpha", alphas[:, None], persistent=False)
        self.alpha: Tensor
        self.discount = discount
        self.divergence = q_logarithm(order)
        self.target_tau = target_tau
        self.hidden = tuple(hidden)
        self.actor_dropout = actor_dropout
        self.actor_weight = positive_advantage_weight if positive_advantage else divergence_weight
        self.weight_scale = weight_scale
        self.weight_clip = weight_clip
        self.exponent_clip = exponent_clip
        self.batch_max_floor = batch_max_floor

    def update(self, batch: Batch) -> None:
        """V, the actor with the new V, Q with the new V, the target: the reference's order."""
        keep = self.dropout_masks(self.actor_dropout, batch.rewards, self.hidden)
        q = self.data_q(batch)
        self.minimise("value", self.value_loss, batch, q)
        self.minimise("actor", self.actor_loss, batch, q, keep)
        self.minimise("critic", self.critic_loss, batch)
        self.polyak(self.critic, self.target_critic, self.target_tau)

    @torch.no_grad()
    def data_q(self, batch: Batch) -> Tensor:
        """The smaller of the twin target critics at the data's actions, (R, B)."""
        q: Tensor = self.target_critic(batch.observations, batch.actions)
        return q.amin(1)

    def value_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Equations 11 (SQL) and 14 (EQL): (R,), and metrics (R,)."""
        v = self.value(batch.observations)
        loss = implicit_value_loss(
            q,
            v,
            self.alpha,
            self.divergence,
            exponent_clip=self.exponent_clip,
            batch_max_floor=self.batch_max_floor,
        )
        return loss, {"value/v": v.detach().mean(-1)}

    def actor_loss(
        self, batch: Batch, q: Tensor, keep: list[Tensor] | None
    ) -> tuple[Tensor, Metrics]:
        """Equations 13 (SQL) and 15 (EQL), imitation with weights: (R,), and metrics (R,)."""
        with torch.no_grad():
            advantage = q - self.value(batch.observations)
            weight = self.actor_weight(advantage, self.alpha, self.divergence, self.weight_scale)
            ratio = self.divergence.weight(advantage / self.alpha)
        if self.weight_clip is not None:
            weight = weight.clamp(max=self.weight_clip)
        log_prob = self.actor.log_prob(batch.observations, batch.actions, keep)
        return weighted_regression_loss(weight, log_prob), {
            "value/advantage": advantage.mean(-1),
            "weight/mean": ratio.mean(-1),
            "weight/sparsity": (ratio == 0).float().mean(-1),
            "actor_weight/mean": weight.mean(-1),
            "actor_weight/sparsity": (weight == 0).float().mean(-1),
            "histogram/actor_weight": weight,
        }

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Equation 12, for both critics: (R,), and metrics (R,)."""
        with torch.no_grad():
            next_v = self.value(batch.next_observations)
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
        q = self.critic(batch.observations, batch.actions)
        return td_loss(q, target), {"value/q": q.detach().mean((1, 2))}

    def mode(self, observations: Tensor) -> Tensor:
        """The actor's mean."""
        mean: Tensor = self.actor(observations)
        return mean

    def state_value(self, observations: Tensor) -> Tensor:
        """V(s), (R, N)."""
        values: Tensor = self.value(observations)
        return values
