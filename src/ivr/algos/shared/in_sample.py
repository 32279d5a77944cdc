"""What the in-sample actor-critics share: only the data's actions are ever evaluated.

    V       fitted to Q at the data's actions, by a loss that each method has of its own
    actor   -E_D[ weight(Q - V) log pi(a|s) ]
    Q       E_D[ (r + gamma (1 - d) V(s') - Q(s, a))^2 ]

Q in the first two is the minimum of twin target critics.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.actor import weighted_regression_loss
from ivr.losses.critic import td_loss, td_target
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import StateValue, TwinCritic
from ivr.types import Batch


class InSampleActorCritic(OfflineAlgorithm):
    """V, a policy by weighted imitation, and twin critics, for R runs side by side.

    Args:
        discount: gamma.
        target_tau: Polyak's tau.
        hidden: sizes of the hidden layers of every network.
        value_layer_norm: layer normalisation in V.
        actor_dropout: probability to drop a hidden unit of the actor while it trains.
        actor_lr_cosine: let the actor's learning rate fall to 0 along a cosine.
        value_updates: updates that train V and Q; later ones train the actor alone, by what these
            two have become. None: all train all.
        weight_clip: upper bound of the actor's weights.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order: tuple[str, ...] = ("value", "actor", "critic")

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        discount: float = 0.99,
        value_lr: float = 3e-4,
        actor_lr: float = 3e-4,
        critic_lr: float = 3e-4,
        target_tau: float = 0.005,
        hidden: Sequence[int] = (256, 256),
        value_layer_norm: bool = False,
        actor_dropout: float = 0.0,
        actor_lr_cosine: bool = True,
        value_updates: int | None = None,
        weight_clip: float | None = 100.0,
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"value": value_lr, "actor": actor_lr, "critic": critic_lr},
            cosine_decay=("actor",) if actor_lr_cosine else (),
            **run,
        )
        check_range("actor_dropout", actor_dropout, 0 <= actor_dropout < 1, "in [0, 1)")
        check_range("target_tau", target_tau, 0 < target_tau <= 1, "in (0, 1]")
        if value_updates is not None:
            check_range("value_updates", value_updates, value_updates > 0, "above 0")
        sizes = (observation_dim, len(action_low), hidden)
        self.value = StateValue(observation_dim, hidden, self.generators("value"), value_layer_norm)
        self.actor = GaussianActor(*sizes, self.generators("actor"))
        self.critic = TwinCritic(*sizes, self.generators("critic"))
        self.target_critic = TwinCritic(*sizes, self.generators("critic")).requires_grad_(False)
        self.discount = discount
        self.target_tau = target_tau
        self.hidden = tuple(hidden)
        self.actor_dropout = actor_dropout
        self.value_updates = value_updates
        inside = weight_clip is None or weight_clip > 0
        check_range("weight_clip", weight_clip, inside, "above 0, or be null")
        self.weight_clip = weight_clip

    # What a method writes.

    @abstractmethod
    def value_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Fit V to q (R, B) at the data's actions: (R,), and metrics (R,)."""

    @abstractmethod
    def actor_weight(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Weights (R, B) of the data's actions, not yet clipped, and metrics (R,)."""

    # What they share.

    def networks_due(self, update: int) -> tuple[str, ...]:
        """All of them, and after `value_updates` the actor alone."""
        if self.value_updates is None or update < self.value_updates:
            return super().networks_due(update)
        return ("actor",)

    def update(self, batch: Batch) -> None:
        """V, the actor with the new V, Q with the new V, the target: the reference's order."""
        keep = self.noise.dropout(self.actor_dropout, batch.rewards, self.hidden)
        q = self.data_q(batch)
        if self.due("value"):
            self.update_value(batch, q)
        self.minimise("actor", self.actor_loss, batch, q, keep)
        if self.due("critic"):
            self.minimise("critic", self.critic_loss, batch)
            self.polyak(self.critic, self.target_critic, self.target_tau)

    def update_value(self, batch: Batch, q: Tensor) -> None:
        """One step of V."""
        self.minimise("value", self.value_loss, batch, q)

    @torch.no_grad()
    def data_q(self, batch: Batch) -> Tensor:
        """The smaller of the twin target critics at the data's actions, (R, B)."""
        q: Tensor = self.target_critic(batch.observations, batch.actions)
        return q.amin(1)

    def actor_loss(
        self, batch: Batch, q: Tensor, keep: list[Tensor] | None
    ) -> tuple[Tensor, Metrics]:
        """Imitation with weights: (R,), and metrics (R,)."""
        with torch.no_grad():
            weight, metrics = self.actor_weight(batch, q)
            if self.weight_clip is not None:
                weight = weight.clamp(max=self.weight_clip)
        log_prob = self.actor.log_prob(batch.observations, batch.actions, keep)
        return weighted_regression_loss(weight, log_prob), {
            **metrics,
            "actor_weight/mean": weight.mean(-1),
            "actor_weight/sparsity": (weight == 0).float().mean(-1),
            "histogram/actor_weight": weight,
        }

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """TD with V at the next state, for both critics: (R,), and metrics (R,)."""
        q, target = self.critic_and_target(batch)
        return self.critic_regression(q, target), {"value/q": q.detach().mean((1, 2))}

    def critic_and_target(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Q of both critics (R, 2, B), and r + gamma (1 - d) V(s'), detached."""
        with torch.no_grad():
            next_v = self.value(batch.next_observations)
            target = td_target(batch.rewards, batch.terminated, next_v, self.discount)
        return self.critic(batch.observations, batch.actions), target

    def critic_regression(self, q: Tensor, target: Tensor) -> Tensor:
        """Of q (R, 2, B) to the target (R, B): (R,)."""
        return td_loss(q, target)

    def value_of(self, observations: Tensor) -> Tensor:
        """V(s), (R, N)."""
        values: Tensor = self.value(observations)
        return values
