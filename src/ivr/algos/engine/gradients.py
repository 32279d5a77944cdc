"""Gradients of R runs, each judged by itself."""

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Euclidean norm of each run's gradient, (R,)."""
    return torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()


@torch.no_grad()
def clipped(gradients: Sequence[Tensor], bound: float) -> tuple[Tensor, ...]:
    """The gradients (R, ...), each run's shortened to a Euclidean norm of at most `bound`."""
    factor = (bound / (gradient_norm(gradients) + 1e-6)).clamp(max=1)
    return tuple(g * factor.view(-1, *[1] * (g.dim() - 1)) for g in gradients)
