"""Extreme Q-learning (Garg et al., ICLR 2023).

With z = (Q - V)/temperature:

    V       E_D[ e^z - z - 1 ]                                      (equation 10, Gumbel regression)
    actor   -E_D[ exp(actor_temperature (Q - V)) log pi(a|s) ]      (its code, after IQL)

Without its stabilisers (clip, batch maximum, Huber loss) it is Exponential Q-learning but for the
actor's weight.
"""

from typing import Any

from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.in_sample import InSampleActorCritic
from ivr.losses.actor import exponential_weight
from ivr.losses.critic import huber_td_loss, td_loss
from ivr.losses.value import gumbel_loss
from ivr.types import Batch


class ExtremeQLearning(InSampleActorCritic):
    """V by Gumbel regression, the policy by advantage-weighted regression.

    Args:
        temperature: beta > 0 of the Gumbel regression, in the units of Q.
        actor_temperature: inverse temperature >= 0 of the actor's weight, as in IQL.
        exponent_clip: upper bound of z in the value loss; null is the equation.
        batch_max_floor: divide the value loss by exp(max(batch maximum of z, this)); null is the
            equation.
        huber_delta: TD errors above it count linearly; null squares all of them.
        value_layer_norm, shared: see `InSampleActorCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = "Raise algo.temperature, lower algo.exponent_clip or the learning rates."
    alpha_options = ("temperature", "actor_temperature")

    def __init__(
        self,
        *,
        temperature: float = 2.0,
        actor_temperature: float = 3.0,
        exponent_clip: float | None = 7.0,
        batch_max_floor: float | None = -1.0,
        huber_delta: float | None = 20.0,
        value_layer_norm: bool = True,
        **shared: Any,
    ) -> None:
        super().__init__(value_layer_norm=value_layer_norm, **shared)
        check_range("temperature", temperature, temperature > 0, "above 0")
        check_range("actor_temperature", actor_temperature, actor_temperature >= 0, "from 0 on")
        inside = huber_delta is None or huber_delta > 0
        check_range("huber_delta", huber_delta, inside, "above 0, or be null")
        self.temperature = temperature
        self.actor_temperature = actor_temperature
        self.bounds = {"exponent_clip": exponent_clip, "batch_max_floor": batch_max_floor}
        self.huber_delta = huber_delta

    def value_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Equation 10."""
        v = self.value(batch.observations)
        loss = gumbel_loss(q, v, self.temperature, **self.bounds)
        return loss, {"value/v": v.detach().mean(-1)}

    def actor_weight(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """IQL's weight."""
        advantage = q - self.value(batch.observations)
        weight = exponential_weight(advantage, self.actor_temperature)
        return weight, {"value/advantage": advantage.mean(-1)}

    def critic_regression(self, q: Tensor, target: Tensor) -> Tensor:
        """Huber's loss, or the square."""
        if self.huber_delta is None:
            return td_loss(q, target)
        return huber_td_loss(q, target, self.huber_delta)
