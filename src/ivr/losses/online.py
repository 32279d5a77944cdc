"""Losses and critics that take an offline policy pi_0 online.

An offline critic is the critic of another problem than the one that is met online. Either its own
policy is evaluated (fitted Q-evaluation), or the critic is remodelled so that its energy policy,
pi(a|s) proportional to exp(Q(s, a)/alpha), is pi_0.
"""

from torch import Tensor

from ivr.losses.evaluation import bootstrapped_td_loss


def alignment_loss(
    q_proposed: Tensor, q_mode: Tensor, excess: Tensor, temperature: float | Tensor
) -> Tensor:
    """E[ [Q_k(s, a_j) - Q_k(s, m) - lambda_0 (log pi_0(a_j|s) - log pi_0(m|s))]_+^2 ], m the mode.

    Value alignment (Luo et al., NeurIPS 2024), one-sided. It is 0 for V(s) + lambda_0 log pi_0,
    see `matched_critic`, and for every critic that lies below it by more as an action is less
    probable. It only lowers Q, at actions that pi_0 would not take; Q(s, m) has no gradient.

    Args:
        q_proposed: (R, K, M, B) K critics at M proposed actions a_j a state.
        q_mode: (R, K, B) the critics at the mode of pi_0, detached here.
        excess: (R, M, B) log pi_0(a_j|s) - log pi_0(m|s), which is 0 or less.
        temperature: lambda_0, a number or (R, 1), in the units of Q.

    Returns:
        (R,) one loss a run: a sum over the critics, a mean over proposals and states.
    """
    assert q_proposed[:, :, 0].shape == q_mode.shape and q_proposed[:, 0].shape == excess.shape
    allowed = (temperature * excess.flatten(1)).view_as(excess)  # (R, 1) meets two axes
    above = q_proposed - q_mode.detach()[:, :, None] - allowed[:, None]
    return above.clamp(min=0).square().sum(1).mean((1, 2))


def anchor_loss(q_mode: Tensor, evaluated: Tensor) -> Tensor:
    """E[ (Q_k(s, m) - Q_k^fqe(s, m))^2 ], summed over the critics: pi_0's mode keeps its value.

    What `alignment_loss` is measured from; both are trained together.

    Args:
        q_mode: (R, K, B) K critics at the mode m of pi_0.
        evaluated: (R, K, B) the same critics before they were aligned, detached here.

    Returns:
        (R,) one loss a run.
    """
    return bootstrapped_td_loss(q_mode, evaluated.detach(), None)


def matched_critic(value: Tensor, log_policy: Tensor, alpha: float | Tensor) -> Tensor:
    """V(s) + alpha log pi_0(a|s), the critic whose energy policy is pi_0.

    By Xu et al. (ICLR 2023), equations 13 and 15: with pi_0 = mu w((Q - V)/alpha) it is
    V + alpha log(mu w), for Sparse Q-learning V + alpha log(mu [1 + (Q - V)/(2 alpha)]_+), and
    minus infinity where pi_0 is 0. Its soft value, alpha log sum_a exp(Q/alpha), is V. Of the
    family's orders, 0 alone (Exponential Q-learning) makes it equal `analytic_critic`.

    It matches until it is trained on: one soft Bellman backup of it, r + gamma V(s'), is the
    offline Q.

    Args:
        value: V(s), of a shape that broadcasts with that of log_policy.
        log_policy: log pi_0(a|s).
        alpha: the temperature, a number or a tensor that broadcasts, such as (R, 1) for (R, B).

    Returns:
        The critic, of the broadcast shape.
    """
    return value + alpha * log_policy


def analytic_critic(q: Tensor, log_behaviour: Tensor, alpha: float | Tensor) -> Tensor:
    """Q(s, a) + alpha log mu(a|s), whose energy policy is proportional to mu exp(Q/alpha).

    That is pi_0 of Exponential Q-learning (Xu et al., ICLR 2023, equation 15), where log w is
    (Q - V)/alpha, so that this equals `matched_critic`. At an order q > 0 of the family it does
    not, since log w = log([1 + q z/(1+q)]_+)/q is another function of z = (Q - V)/alpha.

    Args:
        q: Q(s, a), of a shape that broadcasts with that of log_behaviour.
        log_behaviour: log mu(a|s), of the data's policy or a clone of it.
        alpha: the temperature, a number or a tensor that broadcasts, such as (R, 1) for (R, B).

    Returns:
        The critic, of the broadcast shape.
    """
    return q + alpha * log_behaviour
