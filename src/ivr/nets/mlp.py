"""Perceptrons with leading axes: one for each run, and within a run one for each critic."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

TORCH_GAIN = 1 / math.sqrt(3)
"""With it an orthogonal layer has weights of the size that `torch.nn.Linear` starts with."""


class LinearStack(nn.Module):
    """y = x W + b with a weight of shape (*leading, in, out), orthogonal at first."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        leading: tuple[int, ...],
        generators: Sequence[torch.Generator],
        gain: float = math.sqrt(2),
    ) -> None:
        super().__init__()
        weight = torch.empty(*leading, in_features, out_features)
        for member, generator in zip(weight, generators, strict=True):
            for matrix in member.view(-1, in_features, out_features):
                nn.init.orthogonal_(matrix, gain, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(*leading, 1, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """(prod(leading), N, in) to (prod(leading), N, out)."""
        weight, bias = self.weight.flatten(0, -3), self.bias.flatten(0, -3)
        if weight.shape[-1] == 1:
            # On a CPU this is ten times as fast as the product of a matrix and a column.
            return (x * weight.mT).sum(-1, keepdim=True) + bias
        if weight.shape[-1] < 16:
            # On a CPU the transposed product is three times as fast where there are few columns.
            return torch.bmm(weight.mT.contiguous(), x.mT).mT + bias
        return torch.bmm(x, weight) + bias


class LayerNormStack(nn.Module):
    """Layer normalisation with a scale and a shift of shape (*leading, 1, size).

    Args:
        size: of the last axis.
        leading: leading axes of both.
        epsilon: added to the variance; by default Flax's, with which the reference results of the
            in-sample methods were made.
    """

    def __init__(self, size: int, leading: tuple[int, ...], epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.scale = nn.Parameter(torch.ones(*leading, 1, size))
        self.shift = nn.Parameter(torch.zeros(*leading, 1, size))

    def forward(self, x: Tensor) -> Tensor:
        """(prod(leading), N, size), normalised over the last axis."""
        normal = functional.layer_norm(x, x.shape[-1:], eps=self.epsilon)
        return torch.addcmul(self.shift.flatten(0, -3), normal, self.scale.flatten(0, -3))


class MLP(nn.Module):
    """Hidden layers with ReLU, orthogonal initialisation of gain sqrt(2), zero biases.

    Args:
        sizes: features of the input, of each hidden layer, and of the output.
        leading: leading axes of every parameter; the first is the run axis R.
        generators: R generators, so that a run's initial weights are its own.
        layer_norm: normalise before each ReLU.
        last_gain: gain of the last layer's initialisation.

    Raises:
        ValueError: a layer has no units.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        leading: tuple[int, ...],
        generators: Sequence[torch.Generator],
        layer_norm: bool = False,
        last_gain: float = math.sqrt(2),
    ) -> None:
        super().__init__()
        if min(sizes) < 1:
            raise ValueError(f"layers of {list(sizes[1:-1])} units: each needs 1 at least")
        self.leading = leading
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [last_gain]
        self.layers = nn.ModuleList(
            LinearStack(a, b, leading, generators, gain)
            for (a, b), gain in zip(pairwise(sizes), gains, strict=True)
        )
        self.norms = nn.ModuleList(
            LayerNormStack(size, leading) if layer_norm else nn.Identity() for size in sizes[1:-1]
        )

    def forward(self, x: Tensor, keep: Sequence[Tensor] | None = None) -> Tensor:
        """(R, N, in) to (*leading, N, out).

        `keep` holds a dropout mask of shape (R, N, hidden) for each hidden layer, already
        divided by the probability to keep.
        """
        n = x.shape[-2]
        while x.dim() < len(self.leading) + 2:
            x = x.unsqueeze(1)
        x = x.expand(*self.leading, n, x.shape[-1]).flatten(0, -3)
        for i, norm in enumerate(self.norms):
            x = torch.relu(norm(self.layers[i](x)))
            if keep is not None:
                x = x * keep[i]
        x = self.layers[-1](x)
        return x.view(*self.leading, n, x.shape[-1])
