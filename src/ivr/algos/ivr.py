"""Implicit value regularization (Xu et al., ICLR 2023): Sparse and Exponential Q-learning.

With z = (Q - V)/alpha, Sparse Q-learning (SQL, `algo=sql`) is

    V       E_D[ [1 + z/2]_+^2 ] + E_D[ V/alpha ]             (equation 11)
    actor   -E_D[ [1 + z/2]_+ log pi(a|s) ]                   (equation 13)
    Q       E_D[ (r + gamma (1 - d) V(s') - Q(s, a))^2 ]      (equation 12)

and Exponential Q-learning (EQL, `algo=eql`), with the same Q,

    V       E_D[ e^z ] + E_D[ V/alpha ]                       (equation 14)
    actor   -E_D[ e^z log pi(a|s) ]                           (equation 15)

They are the order q = 1 and the limit q -> 0 of one family (`algo=ivr`), whose potential Phi and
weight w are in `losses/divergences.py` and whose value loss is `implicit_value_loss`:

    V       E_D[ Phi(z) ] + E_D[ V/alpha ]
    actor   -E_D[ w(z) log pi(a|s) ]

This takes U = V - alpha for the normaliser U of the policy, which is exact for q -> 0. The exact
pair (value=exact) is Lemma 1; z is then (Q - U)/alpha - 1:

    U       E_D[ Phi(z) ] + E_D[ U/alpha ]
    V       E_D[ (V - U - alpha w(z)^(1+q))^2 ]
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.in_sample import InSampleActorCritic
from ivr.losses.actor import divergence_weight, positive_advantage_weight
from ivr.losses.divergences import q_logarithm
from ivr.losses.value import exact_value_loss, implicit_value_loss
from ivr.nets.critics import StateValue
from ivr.types import Batch


class ImplicitValueRegularization(InSampleActorCritic):
    """The in-sample actor-critic of the paper, for R runs side by side.

    Args:
        alpha: the temperature, one for all runs or one for each, in the units of Q.
        order: q >= 0 of the divergence; 1 is SQL, 0 is EQL.
        value: "approximate" takes U = V - alpha, "exact" learns U and V apart (Lemma 1).
        positive_advantage: weigh the actor's loss by max(Q - V, 0) instead of w (released SQL);
            with value="exact", U + alpha stands in the place of V, as it does in w.
        weight_scale: factor on the advantage inside that weight (released EQL: 10).
        exponent_clip, batch_max_floor: see `implicit_value_loss` (released EQL: 5 and -1).
        max_ratio: the weight w, the density ratio pi*/mu, counts as no more than this; below it
            nothing changes. It keeps float32 from overflowing.
        value_layer_norm, weight_clip, shared: see `InSampleActorCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = (
        "Raise alpha, lower the learning rates, or bound the exponent (algo.exponent_clip=5, or "
        "protocol=released)."
    )

    step_order = ("normaliser", *InSampleActorCritic.step_order)

    def __init__(
        self,
        *,
        alpha: float | Sequence[float],
        order: float = 1.0,
        value: str = "approximate",
        value_layer_norm: bool = True,
        weight_clip: float | None = None,
        positive_advantage: bool = False,
        weight_scale: float = 1.0,
        exponent_clip: float | None = None,
        batch_max_floor: float | None = None,
        max_ratio: float | None = 1e6,
        **shared: Any,
    ) -> None:
        exact = value == "exact"
        if not exact and value != "approximate":
            raise ValueError(f"value={value} must be approximate or exact")
        super().__init__(value_layer_norm=value_layer_norm, weight_clip=weight_clip, **shared)
        self.normaliser: StateValue | None = None
        if exact:
            self.normaliser = StateValue(
                shared["observation_dim"],
                self.hidden,
                self.generators("normaliser"),
                value_layer_norm,
            )
            self.learning_rates["normaliser"] = self.learning_rates["value"]
        alphas = torch.as_tensor(alpha, dtype=torch.float32).expand(self.runs).clone()
        self.register_buffer("alpha", alphas[:, None], persistent=False)
        self.alpha: Tensor
        check_range("max_ratio", max_ratio, max_ratio is None or max_ratio >= 1, "from 1 on")
        self.divergence = q_logarithm(order)
        self.imitation_weight = (
            positive_advantage_weight if positive_advantage else divergence_weight
        )
        self.weight_scale = weight_scale
        self.bounds = {
            "exponent_clip": exponent_clip,
            "batch_max_floor": batch_max_floor,
            "max_ratio": max_ratio,
        }
        self.max_ratio = max_ratio

    def update_value(self, batch: Batch, q: Tensor) -> None:
        """One step of V; with value=exact of U first."""
        if self.normaliser is not None:
            self.minimise("normaliser", self.normaliser_loss, batch, q)
        super().update_value(batch, q)

    def baseline(self, observations: Tensor) -> Tensor:
        """What Q is held against in z: V, or with value=exact U + alpha, (R, N)."""
        if self.normaliser is None:
            return self.value_of(observations)
        normaliser: Tensor = self.normaliser(observations)
        return normaliser + self.alpha

    def ratio(self, z: Tensor) -> Tensor:
        """The weight w(z), bounded by `max_ratio`."""
        return self._bounded(self.divergence.weight(z))

    def _bounded(self, weight: Tensor) -> Tensor:
        return weight if self.max_ratio is None else weight.clamp(max=self.max_ratio)

    def value_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Equations 11 (SQL) and 14 (EQL), or Lemma 1: (R,), and metrics (R,)."""
        v = self.value(batch.observations)
        metrics = {"value/v": v.detach().mean(-1)}
        if self.normaliser is None:
            return implicit_value_loss(q, v, self.alpha, self.divergence, **self.bounds), metrics
        with torch.no_grad():
            baseline = self.baseline(batch.observations)
            u = baseline - self.alpha
            ratio = self.ratio((q - baseline) / self.alpha)
        metrics["value/u_minus_v_plus_alpha"] = (baseline - v.detach()).mean(-1)
        return exact_value_loss(v, u, ratio, self.alpha, self.divergence), metrics

    def normaliser_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Lemma 1's loss of U, which is that of V at U + alpha: (R,), and metrics (R,)."""
        baseline = self.baseline(batch.observations)
        loss = implicit_value_loss(q, baseline, self.alpha, self.divergence, **self.bounds)
        return loss, {"value/u": (baseline.detach() - self.alpha).mean(-1)}

    def actor_weight(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Equations 13 (SQL) and 15 (EQL): (R, B), and metrics (R,)."""
        advantage = q - self.baseline(batch.observations)
        weight = self.imitation_weight(advantage, self.alpha, self.divergence, self.weight_scale)
        ratio = self.ratio(advantage / self.alpha)
        return self._bounded(weight), {
            "value/advantage": advantage.mean(-1),
            "weight/mean": ratio.mean(-1),
            "weight/sparsity": (ratio == 0).float().mean(-1),
        }
