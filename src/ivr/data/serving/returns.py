"""Computes discounted returns: of every episode, and to go from every transition."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError


def first_transitions(dataset: OfflineDataset) -> Tensor:
    """Number the first transition of each episode, (E,)."""
    numbers: Tensor = torch.unique(dataset.starts)
    return numbers


def discounted_returns(dataset: OfflineDataset, discount: float) -> tuple[Tensor, Tensor]:
    """Sum the discounted rewards of each episode from its first step, and gamma^T, (E,) each.

    T is the episode's length: what follows a cut-off counts for gamma^T of itself.
    """
    weight = torch.tensor(discount, dtype=torch.float64) ** dataset.steps
    total = torch.zeros(dataset.info.episodes, dtype=torch.float64)
    total.index_add_(0, dataset.episodes, weight * dataset.rewards.double())
    return total, discount * weight[torch.unique(dataset.ends)]


def discounted_returns_to_go(dataset: OfflineDataset, discount: float) -> Tensor:
    """Compute G_t = r_t + gamma G_(t+1) of the rewards that are trained on, (N,) float32.

    After a terminated end there is nothing. Where an episode was cut off, its last reward is taken
    to repeat for ever, G = r / (1 - gamma), as the released code of Nakamoto et al. (NeurIPS 2023)
    does with Kitchen's episodes and with AntMaze's that fail: with a reward of -1 a step, nothing
    would make a walk that was cut off look better than one that arrived.

    Raises:
        UserError: at a discount of 1, where such an end has no value.
    """
    cut = ~dataset.terminated[dataset.ends]
    if discount == 1 and bool(cut.any()):
        raise UserError(
            f"discount={discount}: episodes of {dataset.info.name} are cut off, and what would "
            "have followed has no return. Give a discount below 1, as in discount=0.99"
        )
    left = dataset.ends - torch.arange(dataset.num_transitions, device=dataset.ends.device)
    total = dataset.rewards.double()
    if discount < 1:
        forever = total[dataset.ends] / (1 - discount) * discount ** (left + 1)
        tail = torch.where(cut, forever, 0)
    else:
        tail = torch.zeros_like(total)
    # Sums of 1, 2, 4, ... steps, each of two of the sums before.
    steps = 1
    while steps <= int(left.max()):
        further = total.new_zeros(len(total))
        further[:-steps] = total[steps:]
        total = total + torch.where(left >= steps, discount**steps * further, 0)
        steps *= 2
    return (total + tail).float()


def episode_returns_to_go(
    rewards: Sequence[float], terminated: bool, discount: float
) -> list[float]:
    """Compute the same of one episode, which `terminated` or was cut off."""
    total = 0.0 if terminated or not rewards else rewards[-1] / (1 - discount)
    found = []
    for reward in reversed(rewards):
        total = reward + discount * total
        found.append(total)
    return found[::-1]
