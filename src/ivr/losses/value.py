"""Losses of the state value V. Q is the critics' value of the data's action, always detached."""

import torch
from torch import Tensor

from ivr.losses.divergences import Divergence


def implicit_value_loss(
    q: Tensor,
    v: Tensor,
    alpha: float | Tensor,
    divergence: Divergence,
    *,
    exponent_clip: float | None = None,
    batch_max_floor: float | None = None,
    max_ratio: float | None = None,
) -> Tensor:
    """E_D[ Phi((Q - V)/alpha) ] + E_D[ V/alpha ]: at its minimum the mean weight is 1.

    Xu et al. (ICLR 2023): with z = (Q - V)/alpha, E_D[ [1 + z/2]_+^2 + V/alpha ] for Sparse
    Q-learning (equation 11) and E_D[ e^z + V/alpha ] for Exponential Q-learning (equation 14).
    With U + alpha in the place of V it is the loss of Lemma 1's normaliser U, up to a constant.

    Args:
        q: (R, B) the minimum of the twin target critics at the data's actions, detached.
        v: (R, B) the value at the same states.
        alpha: the temperature, a number or (R, 1).
        divergence: the regulariser f.
        exponent_clip: upper bound of z = (Q - V)/alpha; above it Phi pulls V up no more. None is
            the equation; 5 is the released EQL.
        batch_max_floor: where given, the loss is divided by exp(max(max_B z, floor)), which
            bounds the gradient. None is the equation; -1 is the released EQL.
        max_ratio: above the z where the weight is max_ratio, Phi is continued by its tangent, so
            that the loss stays convex and neither it nor its gradient overflows float32. None is
            the equation.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape == v.shape, f"q {tuple(q.shape)} and v {tuple(v.shape)} differ"
    z = (q - v) / alpha
    if exponent_clip is not None:
        z = z.clamp(max=exponent_clip)
    if max_ratio is None:
        potential = divergence.potential(z)
    else:
        top = divergence.advantage(max_ratio)
        potential = divergence.potential(z.clamp(max=top)) + max_ratio * (z - top).clamp(min=0)
    loss = potential + v / alpha
    if batch_max_floor is not None:
        loss = loss / z.detach().amax(-1, keepdim=True).clamp(min=batch_max_floor).exp()
    return loss.mean(-1)


def exact_value_loss(
    v: Tensor, u: Tensor, ratio: Tensor, alpha: float | Tensor, divergence: Divergence
) -> Tensor:
    """E_D[ (V - U - alpha w^2 f'(w))^2 ], V from the normaliser U.

    Xu et al. (ICLR 2023), Lemma 1 (equation 9), for any order of the family.

    Args:
        v: (R, B) the value.
        u: (R, B) the normaliser at the same states, detached.
        ratio: (R, B) the weight w of the data's actions, detached.
        alpha: the temperature, a number or (R, 1).
        divergence: the regulariser f.

    Returns:
        (R,) one loss a run.
    """
    assert v.shape == u.shape == ratio.shape
    return (v - u - alpha * divergence.penalty(ratio)).square().mean(-1)


def expectile_loss(q: Tensor, v: Tensor, expectile: float) -> Tensor:
    """E_D[ |tau - 1(Q < V)| (Q - V)^2 ]: tau = 1/2 gives the mean, tau -> 1 the maximum.

    Kostrikov et al. (ICLR 2022), equation 5, the value loss of IQL.

    Args:
        q: (R, B) detached.
        v: (R, B) the value at the same states.
        expectile: tau in (0, 1).

    Returns:
        (R,) one loss a run.
    """
    assert q.shape == v.shape
    difference = q - v
    weight = (expectile - (difference < 0).to(q.dtype)).abs()
    return (weight * difference.square()).mean(-1)


def gumbel_loss(
    q: Tensor,
    v: Tensor,
    temperature: float,
    *,
    exponent_clip: float | None = None,
    batch_max_floor: float | None = None,
) -> Tensor:
    """E_D[ e^z - z - 1 ] with z = (Q - V)/beta: V becomes beta log E_D[ e^(Q/beta) ].

    Garg et al. (ICLR 2023), Extreme Q-learning, equation 10. Where nothing is clipped, its
    gradient is that of `implicit_value_loss` at order 0.

    Args:
        q: (R, B) detached.
        v: (R, B) the value at the same states.
        temperature: beta, in the units of Q.
        exponent_clip: upper bound of z; above it the gradient is 0. None is the equation.
        batch_max_floor: where given, the loss is divided by exp(max(max_B z, floor)). None is the
            equation.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape == v.shape
    z = (q - v) / temperature
    if exponent_clip is not None:
        z = z.clamp(max=exponent_clip)
    loss = torch.exp(z) - z - 1
    if batch_max_floor is not None:
        loss = loss / z.detach().amax(-1, keepdim=True).clamp(min=batch_max_floor).exp()
    return loss.mean(-1)
