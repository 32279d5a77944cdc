"""Implicit Q-learning (Kostrikov et al., ICLR 2022).

V       E_D[ |tau - 1(Q < V)| (Q - V)^2 ]          (equation 5)
actor   -E_D[ exp(beta (Q - V)) log pi(a|s) ]      (equation 7)
"""

from typing import Any

from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.in_sample import InSampleActorCritic
from ivr.losses.actor import exponential_weight
from ivr.losses.value import expectile_loss
from ivr.types import Batch


class ImplicitQLearning(InSampleActorCritic):
    """V by expectile regression, the policy by advantage-weighted regression.

    Args:
        expectile: tau in (0, 1); 1/2 evaluates the data's policy, tau -> 1 the best of its actions.
        temperature: beta >= 0, as its authors call the inverse temperature of the actor's weight.
        shared: see `InSampleActorCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = "Lower algo.temperature or the learning rates."
    alpha_options = ("temperature", "expectile")

    def __init__(self, *, expectile: float = 0.7, temperature: float = 3.0, **shared: Any) -> None:
        super().__init__(**shared)
        check_range("expectile", expectile, 0 < expectile < 1, "in (0, 1)")
        check_range("temperature", temperature, temperature >= 0, "from 0 on")
        self.expectile = expectile
        self.temperature = temperature

    def value_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Equation 5."""
        v = self.value(batch.observations)
        return expectile_loss(q, v, self.expectile), {"value/v": v.detach().mean(-1)}

    def actor_weight(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Equation 7."""
        advantage = q - self.value(batch.observations)
        weight = exponential_weight(advantage, self.temperature)
        return weight, {"value/advantage": advantage.mean(-1)}
