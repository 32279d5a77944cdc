"""The first layer of every network where observations are normalised."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Standardiser(nn.Module):
    """(s - mean) / scale, the same for all runs; its numbers are constructor arguments, no state.

    Args:
        mean: of length O.
        scale: of length O, above 0.

    Raises:
        ValueError: lengths that differ, or a scale that is not above 0.
    """

    def __init__(self, mean: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(scale) or not all(number > 0 for number in scale):
            raise ValueError(f"input_scale={scale} must be {len(mean)} numbers above 0")
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)
        self.mean: Tensor
        self.scale: Tensor

    def forward(self, observations: Tensor) -> Tensor:
        """(..., O) raw to (..., O) normalised."""
        return (observations - self.mean) / self.scale

    def inverse(self, normalised: Tensor) -> Tensor:
        """(..., O) normalised to (..., O) raw."""
        return normalised * self.scale + self.mean
