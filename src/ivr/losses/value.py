"""Losses of the state value V."""

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
) -> Tensor:
    """E_D[ Phi((Q - V)/alpha) ] + E_D[ V/alpha ]: at its minimum the mean weight is 1.

    Xu et al. (ICLR 2023), equation 11 for Sparse and 14 for Exponential Q-learning.

    Args:
        q: (R, B) the minimum of the twin target critics at the data's actions, detached.
        v: (R, B) the value at the same states.
        alpha: the temperature, a number or (R, 1).
        divergence: the regulariser f.
        exponent_clip: upper bound of z = (Q - V)/alpha; above it Phi pulls V up no more. None is
            the equation; 5 is the released EQL.
        batch_max_floor: where given, the loss is divided by exp(max(max_B z, floor)), which
            bounds the gradient. None is the equation; -1 is the released EQL.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape == v.shape, f"q {tuple(q.shape)} and v {tuple(v.shape)} differ"
    z = (q - v) / alpha
    if exponent_clip is not None:
        z = z.clamp(max=exponent_clip)
    loss = divergence.potential(z) + v / alpha
    if batch_max_floor is not None:
        loss = loss / z.detach().amax(-1, keepdim=True).clamp(min=batch_max_floor).exp()
    return loss.mean(-1)
