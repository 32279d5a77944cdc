"""Losses of the state-action value Q."""

from torch import Tensor
from torch.nn.functional import huber_loss


def td_target(rewards: Tensor, terminated: Tensor, next_v: Tensor, discount: float) -> Tensor:
    """y = r + gamma (1 - d) V(s'), all (R, B); d is 1 only where the task itself ended.

    Xu et al. (ICLR 2023), the target of equation 12.
    """
    return rewards + discount * (1 - terminated) * next_v


def td_loss(q: Tensor, target: Tensor) -> Tensor:
    """E_D[ (y - Q(s, a))^2 ], summed over the critics.

    Xu et al. (ICLR 2023), equation 12.

    Args:
        q: (R, K, B) K critics.
        target: (R, B) detached.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape[0] == target.shape[0] and q.shape[-1] == target.shape[-1]
    return (q - target[:, None]).square().sum(1).mean(-1)


def bellman_error(q: Tensor, target: Tensor) -> Tensor:
    """E_D[ (y - Q(s, a))^2 ], the mean over the critics.

    Xu et al. (ICLR 2023), table 2, where it is called Bellman error.

    Args:
        q: (R, K, B) K critics.
        target: (R, B).

    Returns:
        (R,), in squared units of the rewards.
    """
    return td_loss(q, target) / q.shape[1]


def huber_td_loss(q: Tensor, target: Tensor, delta: float) -> Tensor:
    """E_D[ e^2/2 where |e| < delta, else delta (|e| - delta/2) ], e = Q - y, summed over critics.

    Garg et al. (ICLR 2023), the critic of the released Extreme Q-learning.

    Args:
        q: (R, K, B) K critics.
        target: (R, B) detached.
        delta: the error above which the loss is linear, in the units of Q.

    Returns:
        (R,) one loss a run.
    """
    assert q.shape[0] == target.shape[0] and q.shape[-1] == target.shape[-1]
    expanded = target[:, None].expand_as(q)
    return huber_loss(q, expanded, reduction="none", delta=delta).sum(1).mean(-1)


def least_of_two(q: Tensor, order: Tensor) -> Tensor:
    """min(Q_i, Q_j) of two critics that are drawn for each run.

    Chen et al. (ICLR 2021), algorithm 1: randomized ensembled double Q-learning with M = 2.

    Args:
        q: (R, K, B) K critics.
        order: (R, K) of distinct numbers; the critics of the two greatest are taken.

    Returns:
        (R, B).
    """
    two = order.topk(2, -1).indices[..., None].expand(-1, -1, q.shape[-1])
    return q.gather(1, two).amin(1)
