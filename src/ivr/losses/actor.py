"""Losses of the policy, and the weights that imitation is given."""

from torch import Tensor

from ivr.losses.divergences import Divergence

LEAST_Q = 1e-6
"""Below this mean size Q is as good as 0, and is not scaled up any further."""


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


def exponential_weight(advantage: Tensor, temperature: float) -> Tensor:
    """exp(beta (Q - V)), advantage-weighted regression. Shape of the advantage.

    Peng et al. (2019); in IQL (Kostrikov et al., ICLR 2022, equation 7) beta is called the
    temperature, though it is an inverse one.
    """
    return (temperature * advantage).exp()


def weighted_regression_loss(weight: Tensor, log_prob: Tensor) -> Tensor:
    """-E_D[ w log pi(a|s) ] for detached weights and log-densities (R, B); returns (R,)."""
    assert weight.shape == log_prob.shape
    return -(weight * log_prob).mean(-1)


def imitation_loss(log_prob: Tensor) -> Tensor:
    """-E_D[ log pi(a|s) ], maximum likelihood; (R, B) to (R,)."""
    return -log_prob.mean(-1)


def sequence_regression_loss(predicted: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
    """E_D[ (a - pi(...))^2 ], the mean over the numbers of an action and over the steps that exist.

    Chen et al. (NeurIPS 2021), section 3, for continuous actions.

    Args:
        predicted: (R, B, K, A).
        actions: (R, B, K, A).
        mask: (R, B, K), 1 at a step and 0 where there is none.

    Returns:
        (R,) one loss a run.
    """
    assert predicted.shape == actions.shape and mask.shape == actions.shape[:-1]
    errors = (predicted - actions).square().mean(-1)
    return (errors * mask).sum((-2, -1)) / mask.sum((-2, -1))


def kl_regularised_loss(q: Tensor, kl: Tensor, alpha: float | Tensor) -> Tensor:
    """-E_s[ E_pi[Q(s, a)] - alpha KL(pi || mu) ] for q and kl of shape (R, B); returns (R,).

    Brandfonbrener et al. (NeurIPS 2021), section 4: reverse KL regularisation.
    """
    assert q.shape == kl.shape
    return (alpha * kl - q).mean(-1)


def gaussian_kl(mean: Tensor, log_std: Tensor, mean_2: Tensor, log_std_2: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(mean_2, std_2^2)) of diagonal Gaussians, (..., A) to (...)."""
    ratio = (2 * (log_std - log_std_2)).exp()
    deviation = (mean - mean_2) * (-log_std_2).exp()
    return (0.5 * (ratio + deviation.square() - 1) + log_std_2 - log_std).sum(-1)


def regularised_deterministic_loss(
    q: Tensor, actions: Tensor, data_actions: Tensor, q_weight: float
) -> Tensor:
    """E_D[ -lambda Q(s, pi(s)) + (pi(s) - a)^2 ] with lambda = q_weight / E_D[ |Q(s, pi(s))| ].

    Fujimoto & Gu (NeurIPS 2021), equations 3 and 5, where q_weight is called alpha, with |Q| at
    the policy's actions as in their code. lambda is a constant of the gradient, so that the scale
    of Q does not matter; where Q is 0 everywhere it is finite.

    Args:
        q: (R, B) at the policy's actions, differentiable in them.
        actions, data_actions: (R, B, A) the policy's and the data's; their square is a mean over A.
        q_weight: what Q weighs against imitation.

    Returns:
        (R,) one loss a run.
    """
    assert actions.shape == data_actions.shape and q.shape == actions.shape[:-1]
    scale = q_weight / q.detach().abs().mean(-1).clamp(min=LEAST_Q)
    return (actions - data_actions).square().mean((-1, -2)) - scale * q.mean(-1)
