"""The regularisers f of the behaviour-regularised MDP, and what an algorithm needs of each.

One family, the q-logarithms f_q(x) = (x^q - 1)/q, runs from reverse KL (q -> 0) to chi-square
(q = 1). With U = V - alpha and z = (Q - V)/alpha everything is closed form. Its two ends are the
algorithms of Xu et al. (ICLR 2023):

                                     f(x)          weight w(z)              potential Phi(z)
    Sparse Q-learning, q = 1         x - 1         [1 + z/2]_+      (13)    [1 + z/2]_+^2      (11)
    Exponential Q-learning, q -> 0   log x         e^z              (15)    e^z                (14)
    any q > 0                        (x^q - 1)/q   [1 + q z/(1+q)]_+^(1/q)  [...]_+^((1+q)/q)

with the equations' numbers in brackets. The weight multiplies log pi(a|s) in the actor's loss; the
potential is what `losses.value.implicit_value_loss` averages.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class QLogarithm:
    """f_q for an order q > 0, of which q = 1 is Sparse Q-learning.

    The weight is exactly 0 where z <= -(1 + q)/q.
    """

    order: float

    def f(self, x: Tensor) -> Tensor:
        """f(x) = (x^q - 1)/q, for a density ratio x = pi/mu > 0."""
        return (x**self.order - 1) / self.order

    def weight(self, z: Tensor) -> Tensor:
        """w(z) = [1 + q z/(1+q)]_+^(1/q), the density ratio pi*/mu. Any shape."""
        return self._power(z, 1 / self.order)

    def potential(self, z: Tensor) -> Tensor:
        """Phi(z) = [1 + q z/(1+q)]_+^((1+q)/q), whose derivative is the weight. Any shape."""
        return self._power(z, (1 + self.order) / self.order)

    def advantage(self, ratio: float) -> float:
        """The z at which the weight is `ratio` > 0: (1 + q) f(ratio)."""
        return (1 + self.order) * (math.pow(ratio, self.order) - 1) / self.order

    def penalty(self, ratio: Tensor) -> Tensor:
        """w^2 f'(w) = w^(1+q), what Lemma 1 adds to U in units of alpha. Any shape."""
        return ratio ** (1 + self.order)

    def _power(self, z: Tensor, exponent: float) -> Tensor:
        x = self.order / (1 + self.order) * z
        # Cut inside the power: [.]_+ around it would revive weights that must be 0. Where it is
        # cut the power never sees x, or its slope at 0 would turn 0 into NaN.
        cut = x <= -1
        x = torch.where(cut, 0, x)
        # In float32, 1 + x has lost digits that a large exponent would bring back.
        power = (1 + x) ** exponent if exponent <= 10 else torch.exp(exponent * torch.log1p(x))
        return torch.where(cut, 0, power)


@dataclass(frozen=True)
class Logarithm:
    """f_0 = log, the limit q -> 0, Exponential Q-learning: weight and potential are both e^z."""

    order: float = 0.0

    def f(self, x: Tensor) -> Tensor:
        """f(x) = log x, for a density ratio x = pi/mu > 0."""
        return torch.log(x)

    def weight(self, z: Tensor) -> Tensor:
        """w(z) = e^z, the density ratio pi*/mu. Any shape."""
        return torch.exp(z)

    def potential(self, z: Tensor) -> Tensor:
        """Phi(z) = e^z. Any shape."""
        return torch.exp(z)

    def advantage(self, ratio: float) -> float:
        """The z at which the weight is `ratio` > 0: log ratio."""
        return math.log(ratio)

    def penalty(self, ratio: Tensor) -> Tensor:
        """w^2 f'(w) = w, what Lemma 1 adds to U in units of alpha. Any shape."""
        return ratio


Divergence = QLogarithm | Logarithm


def q_logarithm(order: float) -> Divergence:
    """The member of the family of a given order: 1 is Sparse, 0 Exponential Q-learning.

    Raises:
        ValueError: where the order is negative or not finite.
    """
    if not (math.isfinite(order) and order >= 0):
        raise ValueError(f"order={order}: the family is defined for a finite order >= 0")
    # Below, the family differs from its limit by less than float32 can tell, and 1/q overflows.
    return QLogarithm(float(order)) if order >= 1e-8 else Logarithm(float(order))
