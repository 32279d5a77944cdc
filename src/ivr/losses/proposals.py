"""Targets of critics that choose among actions which a model of the data proposes."""

from torch import Tensor

from ivr.losses.critic import td_loss


def soft_clipped_target(q: Tensor, min_weight: float) -> Tensor:
    """max_i [ lambda min_k Q_k(s, a_i) + (1 - lambda) max_k Q_k(s, a_i) ].

    Fujimoto et al. (ICML 2019), equation 13: soft clipped double Q-learning over n proposals.

    Args:
        q: (R, K, n, B) K critics at n proposals for each state.
        min_weight: lambda; 1 is clipped double Q-learning.

    Returns:
        (R, B) the value of each state.
    """
    return (min_weight * q.amin(1) + (1 - min_weight) * q.amax(1)).amax(1)


def pseudo_target(q: Tensor) -> Tensor:
    """min_k max_i Q_k(s, a_i): what any action is worth at most, as far as the data know.

    Lyu et al. (NeurIPS 2022), the pseudo target of Mildly Conservative Q-learning, with the offset
    delta at 0 as in their practice.

    Args:
        q: (R, K, N, B) K critics at N proposals for each state.

    Returns:
        (R, B) the value of each state, never above a critic's value of its best proposal.
    """
    return q.amax(2).amin(1)


def mildly_conservative_loss(
    q: Tensor,
    target: Tensor,
    policy_q: Tensor,
    pseudo: Tensor,
    td_weight: float,
    one_sided: bool,
) -> Tensor:
    """lambda E_D[ (Q(s, a) - y)^2 ] + (1 - lambda) E_pi[ (Q(s, a) - y')^2 ], summed over critics.

    Lyu et al. (NeurIPS 2022), the practical critic loss.

    Args:
        q: (R, K, B) K critics at the data's actions.
        target: (R, B) y, the Bellman targets, detached.
        policy_q: (R, K, M) K critics at the policy's actions.
        pseudo: (R, M) y', the pseudo targets of the same states, detached.
        td_weight: lambda.
        one_sided: lower only the Q that lies above y', as their code does on some data; False is
            the equation.

    Returns:
        (R,) one loss a run.
    """
    assert policy_q.shape[0] == pseudo.shape[0] and policy_q.shape[-1] == pseudo.shape[-1]
    excess = policy_q - pseudo[:, None]
    if one_sided:
        excess = excess.clamp(min=0)
    beyond = excess.square().sum(1).mean(-1)
    return td_weight * td_loss(q, target) + (1 - td_weight) * beyond
