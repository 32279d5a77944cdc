"""Losses of maximum-entropy actor-critics (Haarnoja et al., 2018, arXiv:1812.05905)."""

from torch import Tensor


def soft_policy_loss(q: Tensor, log_prob: Tensor, temperature: float | Tensor) -> Tensor:
    """E_pi[ lambda log pi(a|s) - Q(s, a) ], lambda the entropy temperature.

    Haarnoja et al. (2018), equation 7.

    Args:
        q: (R, B) at actions that the policy sampled, differentiable in them.
        log_prob: (R, B) of those actions.
        temperature: lambda, a number or (R, 1), detached.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape == log_prob.shape
    return (temperature * log_prob - q).mean(-1)


def temperature_loss(factor: Tensor, entropy: Tensor, target_entropy: float) -> Tensor:
    """lambda (H(pi) - H_target): lambda grows while the policy's entropy is below its target.

    Haarnoja et al. (2018), equation 18; with log lambda in the place of lambda, as in their code,
    it has the same sign and the same fixed point.

    Args:
        factor: lambda or log lambda, (R, 1).
        entropy: (R,) mean entropy of the policy, detached.
        target_entropy: H_target.

    Returns:
        (R,) one loss a run.
    """
    assert entropy.shape == factor.shape[:1]
    return factor.squeeze(-1) * (entropy - target_entropy)
