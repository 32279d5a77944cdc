"""Losses of fitted Q-evaluation: the critic of a policy that is given, on data of another one.

y_k = r + gamma (1 - d) Q'_k(s', a'),  a' = pi(s'),  cut to what any policy can attain
Q_k     E_D[ w_k (Q_k(s, a) - y_k)^2 ],  w_k a bootstrap of the episodes
"""

import math

from torch import Tensor

from ivr.losses.critic import td_target


def bootstrapped_td_loss(q: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """E_D[ w_k (Q_k(s, a) - y_k)^2 ], summed over the critics: each has a target of its own.

    Fitted Q-evaluation (Le et al., ICML 2019) with a bootstrap of the episodes (Hao et al., ICML
    2021). The targets y_k = r + gamma (1 - d) Q_k(s', a'), a' ~ pi_0, know no minimum over the
    critics: a policy is evaluated, and the minimum of K estimates lies below it.

    Args:
        q: (R, K, B) K critics at the data's actions.
        target: (R, K, B) by the target critic of each, detached.
        weights: (R, B, K) how often each critic's bootstrap has drawn the transition's episode.
            None gives all the weight 1.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape == target.shape, f"q {tuple(q.shape)} and target {tuple(target.shape)} differ"
    errors = (q - target).square()
    if weights is not None:
        assert weights.mT.shape == q.shape
        errors = weights.mT * errors
    return errors.sum(1).mean(-1)


def attainable_range(reward_min: float, reward_max: float, discount: float) -> tuple[float, float]:
    """[min(r, r/(1 - gamma)) at the least reward, max(r, r/(1 - gamma)) at the greatest].

    The discounted sum of one reward or more, up to endlessly many, lies in it, whenever the
    episode ends. At a discount of 1 it is the limit: infinite on the side of each reward's sign.

    Args:
        reward_min, reward_max: of the rewards that are trained on.
        discount: gamma in [0, 1].

    Returns:
        (low, high) in units of the rewards.
    """
    assert reward_min <= reward_max and 0 <= discount <= 1
    horizon = 1 / (1 - discount) if discount < 1 else math.inf
    # horizon >= 1, and infinity times a reward of 0 is never taken.
    low = reward_min * horizon if reward_min < 0 else reward_min
    high = reward_max * horizon if reward_max > 0 else reward_max
    return low, high


def evaluation_target(
    rewards: Tensor,
    terminated: Tensor,
    next_q: Tensor,
    discount: float,
    limits: tuple[float, float],
) -> Tensor:
    """y_k = r + gamma (1 - d) Q_k(s', a'), cut to the attainable range.

    Le et al. (ICML 2019), a target for each critic of its own.

    Args:
        rewards, terminated: (R, B).
        next_q: (R, K, B) the target critics at the policy's next action, detached.
        discount: gamma.
        limits: see `attainable_range`.

    Returns:
        (R, K, B).
    """
    assert next_q[:, 0].shape == rewards.shape == terminated.shape
    return td_target(rewards[:, None], terminated[:, None], next_q, discount).clamp(*limits)
