"""Losses of the policy, and the weights that imitation is given."""

from torch import Tensor

from ivr.losses.divergences import Divergence


def divergence_weight(
    advantage: Tensor, alpha: float | Tensor, divergence: Divergence, scale: float = 1.0
) -> Tensor:
    """w(scale * (Q - V)/alpha), the density ratio pi*/mu at scale 1. Shape of the advantage.

    Xu et al. (ICLR 2023), the ratio of equations 13 and 15; the released EQL has scale 10.
    """
    return divergence.weight(scale * advantage / alpha)


def positive_advantage_weight(
    advantage: Tensor, alpha: float | Tensor, divergence: Divergence, scale: float = 1.0
) -> Tensor:
    """scale * max(Q - V, 0), the released SQL: sparse at any alpha. Shape of the advantage.

    It takes what `divergence_weight` takes, so that either can be chosen, and needs less.
    """
    return scale * advantage.clamp(min=0)


def weighted_regression_loss(weight: Tensor, log_prob: Tensor) -> Tensor:
    """-E_D[ w log pi(a|s) ] for detached weights and log-densities (R, B); returns (R,)."""
    assert weight.shape == log_prob.shape
    return -(weight * log_prob).mean(-1)
