"""Random numbers of an update, a function of (seed, purpose, update) alone, on any device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ivr import random


class Noise(nn.Module):
    """Draws random numbers for R runs; those of a run depend on its own seed alone.

    Args:
        seeds: one for each run.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__()
        self.seeds = tuple(seeds)
        self.register_buffer("clock", torch.zeros(1, dtype=torch.int64), persistent=False)
        self.clock: Tensor
        """The number of the current update."""

    def unit(self, purpose: str, like: Tensor) -> Tensor:
        """Uniform draws in [0, 1) of the shape of `like`, (R, ...)."""
        return self._uniform(purpose, like[0].numel()).view(like.shape)

    def uniform(self, purpose: str, like: Tensor) -> Tensor:
        """Uniform draws in [-1, 1) of the shape of `like`, (R, ...)."""
        return 2 * self.unit(purpose, like) - 1

    def normal(self, purpose: str, like: Tensor) -> Tensor:
        """Standard normal draws of the shape of `like`, (R, ...)."""
        # The quantile of 0 is infinite, so 0 becomes half of the smallest step between draws.
        noise: Tensor = torch.special.ndtri(self.unit(purpose, like).clamp(min=2**-25))
        return noise

    def dropout(self, rate: float, like: Tensor, sizes: Sequence[int]) -> list[Tensor] | None:
        """Masks (R, B, size) that keep a unit with probability 1 - rate and divide by it.

        The first two axes of `like` are R and B. None at rate 0, and where nothing is trained.
        """
        if rate == 0 or not self.training:
            return None
        runs, n = like.shape[:2]
        drawn = self._uniform("dropout", n * sum(sizes)).view(runs, n, sum(sizes))
        parts = torch.split(drawn, list(sizes), -1)
        return [(part >= rate) / (1 - rate) for part in parts]

    def _uniform(self, purpose: str, count: int) -> Tensor:
        keys = [random.key(seed, purpose) for seed in self.seeds]
        return random.uniform(torch.tensor(keys, device=self.clock.device), self.clock, count)[0]
