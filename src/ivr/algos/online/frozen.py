"""The offline policy as it is: what every way online is held against."""

from typing import Any

from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.online.from_policy import FromPolicy
from ivr.losses.actor import imitation_loss
from ivr.types import Batch


class Frozen(FromPolicy):
    """Collects and is evaluated like the others, and never changes; see `FromPolicy`."""

    step_order = ("actor",)

    offline_updates = 0

    def __init__(self, **shared: Any) -> None:
        super().__init__(learning_rates={"actor": 0.0}, **shared)

    def update(self, batch: Batch) -> None:
        """A step of length 0."""
        self.minimise("actor", self.actor_loss, batch)

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """How likely the policy is to do what was done: (R,), and no metrics."""
        return imitation_loss(self.actor.log_prob(batch.observations, batch.actions)), {}
