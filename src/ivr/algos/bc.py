"""Behaviour cloning: the data's policy by maximum likelihood, -E_D[ log pi(a|s) ]."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.actor import imitation_loss
from ivr.nets.actors import GaussianActor
from ivr.types import Batch, Needs


class BehaviourCloning(OfflineAlgorithm):
    """The actor of the in-sample methods with every weight 1.

    Args:
        observation_dim: numbers that the actor sees.
        fraction: share of the trajectories that is imitated, those of the highest returns: 10 % BC
            as CORL (Tarasov et al., NeurIPS 2023) has it. Chen et al. (NeurIPS 2021) introduced
            it, and fill the share with steps instead.
        hidden: sizes of the actor's hidden layers.
        actor_dropout: probability to drop a hidden unit while training.
        actor_lr_cosine: let the learning rate fall to 0 along a cosine.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    step_order = ("actor",)

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        fraction: float = 1.0,
        actor_lr: float = 3e-4,
        hidden: Sequence[int] = (256, 256),
        actor_dropout: float = 0.0,
        actor_lr_cosine: bool = True,
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low,
            learning_rates={"actor": actor_lr},
            cosine_decay=("actor",) if actor_lr_cosine else (),
            **run,
        )
        check_range("fraction", fraction, 0 < fraction <= 1, "in (0, 1]")
        check_range("actor_dropout", actor_dropout, 0 <= actor_dropout < 1, "in [0, 1)")
        self.actor = GaussianActor(
            observation_dim, len(action_low), hidden, self.generators("actor")
        )
        self.hidden = tuple(hidden)
        self.actor_dropout = actor_dropout

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """The best trajectories."""
        return Needs(best_fraction=options["fraction"])

    def update(self, batch: Batch) -> None:
        """One step of the actor."""
        keep = self.noise.dropout(self.actor_dropout, batch.rewards, self.hidden)
        self.minimise("actor", self.actor_loss, batch, keep)

    def actor_loss(self, batch: Batch, keep: list[Tensor] | None) -> tuple[Tensor, Metrics]:
        """Maximum likelihood."""
        return imitation_loss(self.actor.log_prob(self.inputs(batch), batch.actions, keep)), {}

    def inputs(self, batch: Batch) -> Tensor:
        """What the actor sees, (R, B, observation_dim)."""
        return batch.observations
