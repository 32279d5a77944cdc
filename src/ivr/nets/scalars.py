"""Numbers that are trained beside the networks: entropy temperatures, Lagrange multipliers."""

import math

import torch
from torch import Tensor, nn


class PositiveScalar(nn.Module):
    """A number above 0 for each run, trained as its logarithm.

    Args:
        runs: R.
        initial: its initial value.
        maximum: upper bound, so that the exponential cannot overflow; beyond it the gradient is 0.
    """

    def __init__(self, runs: int, initial: float, maximum: float = 1e6) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.full((runs, 1), math.log(initial)))
        self.log_maximum = math.log(maximum)

    def forward(self) -> Tensor:
        """The number, (R, 1)."""
        return self.log.clamp(max=self.log_maximum).exp()
