"""Draws how much each of several critics is fitted to each episode."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ivr import random

_MOST = 10
"""More often than that no episode is drawn: 1 of 10 million would be."""


def bootstrap_weights(seeds: Sequence[int], episodes: int, critics: int) -> Tensor:
    """Draw how often each episode is in the bootstrap of each critic: Poisson numbers of mean 1.

    What resampling E episodes out of E comes to where E is large; Efron (1979), in the online form
    of Oza & Russell (2001). Whole episodes, since the steps of one resemble each other. A critic
    whose every number would be 0, as happens with few episodes, has each of them once.

    Returns:
        (R, E, K) float32, a function of each member's seed.
    """
    cumulated = torch.tensor([math.exp(-1) / math.factorial(n) for n in range(_MOST)]).cumsum(0)
    keys = torch.tensor([random.key(seed, "bootstrap") for seed in seeds])
    drawn = random.uniform(keys, torch.arange(critics), episodes)  # (K, R, E)
    weights = torch.searchsorted(cumulated, drawn.permute(1, 2, 0).contiguous(), right=True).float()
    return weights.masked_fill((weights == 0).all(1, keepdim=True), 1)
