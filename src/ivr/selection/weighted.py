"""Importance sampling over the first steps of the data's episodes, alone and doubly robust.

The policies are deterministic, and have no density. Each is given the spread of the cloned
behaviour policy, N(pi(s), sigma^2) against N(mu(s), sigma^2). With rho_t the product of the ratios
up to step t, normalised to sum to 1 over the episodes i,

    importance      sum_t gamma^t sum_i rho_t r_t + gamma^H sum_i rho_(H-1) V(s_H)
    doubly robust   E[V(s_0)] + sum_t gamma^t sum_i rho_t (r_t + gamma V(s_(t+1)) - Q(s_t, a_t))

(Precup et al., ICML 2000; Thomas & Brunskill, ICML 2016.) V(s) = Q(s, pi(s)) of the critics is the
tail after H steps, or where an episode was cut off before.

The first estimates the policy with the data's own noise. In the second the noise is the width of a
kernel around the policy itself (Kallus & Zhou, AISTATS 2018): where the critics are right it is the
policy's value, whatever the weights; where the weights alone are right it is off by how far the
critics bend over that noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.data.dataset import OfflineDataset
from ivr.data.serving.returns import first_transitions
from ivr.selection.overlap import Overlap


@dataclass(frozen=True)
class Beginnings:
    """The first H steps of E episodes, padded."""

    index: Tensor
    """Numbers of the transitions, (E, H); an episode that has ended repeats its last one."""
    alive: Tensor
    """Whether there is such a step, (E, H)."""
    goes_on: Tensor
    """Whether something follows the last of them, (E,): the task has not ended."""

    @classmethod
    def of(cls, dataset: OfflineDataset, horizon: int) -> "Beginnings":
        """The first steps of every episode; H is at most the length of the longest."""
        first = first_transitions(dataset)
        last = dataset.ends[first][:, None]
        longest = int((last - first[:, None]).max()) + 1
        steps = first[:, None] + torch.arange(min(horizon, longest), device=first.device)
        index = torch.minimum(steps, last)
        return cls(index, steps <= last, ~dataset.terminated[index[:, -1]])


@dataclass(frozen=True)
class Weighted:
    """Estimates of one policy, in units of the recorded rewards."""

    importance: float
    doubly_robust: float
    effective: float
    """Episodes that the last step's weights are worth, (sum rho)^2 / sum rho^2."""


def weighted(
    dataset: OfflineDataset,
    begin: Beginnings,
    actions: Tensor,
    overlap: Overlap,
    critic: Callable[[Tensor, Tensor], Tensor],
    discount: float,
) -> Weighted:
    """Estimate one policy's value from the data's initial states.

    Args:
        dataset: with recorded rewards.
        begin: its episodes' first steps.
        actions: what the policy does at every observation, (rows, A), scaled.
        overlap: the cloned behaviour policy.
        critic: Q of raw observations (N, O) and scaled actions (N, A), (N,), in recorded units.
        discount: gamma.
    """
    shape = begin.index.shape
    flat = begin.index.flatten()
    rows = dataset.rows[flat]
    states, taken = dataset.observations[rows], dataset.actions[flat]
    deviation = overlap.clone.actor.clamped_log_std.exp()[0]
    mu = overlap.mode(states)
    farther = ((taken - actions[rows]) / deviation).square().sum(-1)
    nearer = ((taken - mu) / deviation).square().sum(-1)
    ratio = (0.5 * (nearer - farther)).double().view(shape)
    weights = (ratio * begin.alive).cumsum(1).softmax(0)  # (E, H), each step's sum to 1
    q = critic(states, taken).double().view(shape)
    v = critic(states, actions[rows]).double().view(shape)
    following = dataset.observations[rows + 1]
    next_v = critic(following, actions[rows + 1]).double().view(shape)
    rewards, alive = dataset.rewards[begin.index].double(), begin.alive.double()
    going_on = (~dataset.terminated[begin.index]).double()
    factor = torch.tensor(discount, dtype=torch.float64) ** torch.arange(shape[1])
    steps = alive.sum(1).long()  # taken, (E,)
    tail = torch.tensor(discount, dtype=torch.float64) ** steps * next_v[:, -1] * begin.goes_on
    importance = (factor * (weights * rewards * alive).sum(0)).sum() + (weights[:, -1] * tail).sum()
    residual = rewards + discount * going_on * next_v - q
    doubly = v[:, 0].mean() + (factor * (weights * residual * alive).sum(0)).sum()
    last = weights[:, -1]
    return Weighted(float(importance), float(doubly), float(1 / last.square().sum()))
