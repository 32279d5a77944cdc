"""Transformers for R runs side by side, over tokens that see the tokens before them alone."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ivr.nets.mlp import LayerNormStack, LinearStack

_EPSILON = 1e-5
"""Of layer normalisation, as in GPT-2."""


def _draw_uniform(linear: LinearStack, generators: Sequence[torch.Generator]) -> None:
    """Weights and biases from U(-1/sqrt(in), 1/sqrt(in)), which is what torch.nn.Linear draws."""
    bound = linear.weight.shape[-2] ** -0.5
    with torch.no_grad():
        for parameter in linear.parameters():
            for member, generator in zip(parameter, generators, strict=True):
                member.uniform_(-bound, bound, generator=generator)


def _draw_normal(linear: LinearStack, generators: Sequence[torch.Generator]) -> None:
    """Weights from N(0, 0.02^2), as in GPT-2; the biases stay 0."""
    with torch.no_grad():
        for member, generator in zip(linear.weight, generators, strict=True):
            member.normal_(0, 0.02, generator=generator)


class Block(nn.Module):
    """x + attention(norm(x)), then x + perceptron(norm(x)); the order of GPT-2."""

    def __init__(self, width: int, heads: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        leading = (len(generators),)
        self.heads = heads
        self.norms = nn.ModuleList(LayerNormStack(width, leading, _EPSILON) for _ in range(2))
        self.project_in = LinearStack(width, 3 * width, leading, generators)
        self.project_out = LinearStack(width, width, leading, generators)
        self.widen = LinearStack(width, 4 * width, leading, generators)
        self.narrow = LinearStack(4 * width, width, leading, generators)
        for linear in (self.project_in, self.project_out, self.widen, self.narrow):
            _draw_normal(linear, generators)

    def forward(self, x: Tensor, length: int, keep: Sequence[Tensor] | None = None) -> Tensor:
        """(R, B * T, E) to the same, for sequences of T = `length` tokens.

        `keep` holds a dropout mask (R, B * T, E) for each of the two sums.
        """
        attended = self.project_out(self._attention(self.norms[0](x), length))
        x = x + (attended if keep is None else attended * keep[0])
        moved = self.narrow(torch.relu(self.widen(self.norms[1](x))))
        added: Tensor = x + (moved if keep is None else moved * keep[1])
        return added

    def _attention(self, x: Tensor, length: int) -> Tensor:
        runs, n, width = x.shape
        split = self.project_in(x).reshape(-1, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (R * B, heads, T, E / heads)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return attended.transpose(1, 2).reshape(runs, n, width)


class DecisionTransformerNet(nn.Module):
    """Actions from sequences of (return to go, observation, action), three tokens a step.

    Chen et al. (NeurIPS 2021), figure 1 and algorithm 1: each is embedded linearly, the time step's
    embedding is added to all three, and an action is read off the token of its observation, which
    sees what came before it.

    Args:
        observation_dim, action_dim: O and A.
        width: E, numbers in a token.
        layers, heads: of the transformer.
        max_timestep: steps with an embedding of their own; later ones share the last.
        generators: R generators, so that a run's initial weights are its own.
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        width: int,
        layers: int,
        heads: int,
        max_timestep: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        leading = (len(generators),)
        drawn = [torch.randn(max_timestep, width, generator=generator) for generator in generators]
        self.time = nn.Parameter(torch.stack(drawn))
        self.embeddings = nn.ModuleList(
            LinearStack(size, width, leading, generators)
            for size in (1, observation_dim, action_dim)
        )
        self.norm_in = LayerNormStack(width, leading, _EPSILON)
        self.blocks = nn.ModuleList(Block(width, heads, generators) for _ in range(layers))
        self.norm_out = LayerNormStack(width, leading, _EPSILON)
        self.head = LinearStack(width, action_dim, leading, generators)
        for linear in (*self.embeddings, self.head):
            assert isinstance(linear, LinearStack)
            _draw_uniform(linear, generators)

    def forward(
        self,
        returns_to_go: Tensor,
        observations: Tensor,
        actions: Tensor,
        timesteps: Tensor,
        keep: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """(R, B, K), (R, B, K, O), (R, B, K, A) and (R, B, K) to actions (R, B, K, A) in (-1, 1).

        `keep` holds dropout masks of (R, B, 3 K E) numbers: of the tokens, and two a layer.
        """
        runs, batch, steps = timesteps.shape
        time = self._time(timesteps).flatten(1, 2)
        parts = (returns_to_go[..., None], observations, actions)
        embedded = [
            embed(part.flatten(1, 2)) + time
            for embed, part in zip(self.embeddings, parts, strict=True)
        ]
        tokens = torch.stack(embedded, 2).flatten(1, 2)  # (R, B * 3K, E)
        x = self.norm_in(tokens)
        masks = None if keep is None else [mask.view(x.shape) for mask in keep]
        x = x if masks is None else x * masks[0]
        for i, block in enumerate(self.blocks):
            x = block(x, 3 * steps, None if masks is None else masks[1 + 2 * i : 3 + 2 * i])
        of_observations = x.view(runs, batch * steps, 3, -1)[:, :, 1]
        chosen: Tensor = torch.tanh(self.head(self.norm_out(of_observations)))
        return chosen.view(runs, batch, steps, -1)

    def _time(self, timesteps: Tensor) -> Tensor:
        runs, longest, _ = self.time.shape
        first = longest * torch.arange(runs, device=timesteps.device)[:, None, None]
        return functional.embedding(
            timesteps.clamp(max=longest - 1) + first, self.time.flatten(0, 1)
        )
