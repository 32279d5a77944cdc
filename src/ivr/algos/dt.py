"""Decision Transformer (Chen et al., NeurIPS 2021): a policy that reads the episode so far.

actor   E_D[ (a_t - pi(R_{t-K+1}, s_{t-K+1}, a_{t-K+1}, ..., R_t, s_t))^2 ]

R_t is the return to go. When it acts, R_0 is the return to reach, and each reward that it receives
is subtracted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics, OfflineAlgorithm
from ivr.algos.engine.ranges import check_range
from ivr.losses.actor import sequence_regression_loss
from ivr.nets.transformer import DecisionTransformerNet
from ivr.types import ActFunction, Batch, Needs


class DecisionTransformer(OfflineAlgorithm):
    """A causal transformer over the last K steps, conditioned on the return to reach.

    Args:
        best_return: the highest return of an episode of the data.
        target: the return of an episode to condition on, in the units of the recorded rewards,
            which are the environment's; None: the data's best.
        return_scale: returns to go are divided by it; None: by the size of the data's best.
        context: K, steps that the policy sees.
        embedding, layers, heads: of the transformer.
        dropout: probability to drop a number of a token, or of what a layer adds to it. Weights
            of attention are not dropped, which the released code does as well.
        max_timestep: steps of an episode with an embedding of their own; later ones share the last.
        actor_lr: learning rate after `warmup` updates, in which it grows linearly.
        weight_decay: of AdamW, on all parameters.
        gradient_clip: the largest norm of the gradient.
        run: see `OfflineAlgorithm`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    alpha_options = ("target",)
    one_graph = False
    """Its optimizer is AdamW, and a graph has Adam alone."""

    step_order = ("actor",)

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        best_return: float,
        target: float | None = None,
        return_scale: float | None = None,
        context: int = 20,
        embedding: int = 128,
        layers: int = 3,
        heads: int = 1,
        dropout: float = 0.1,
        max_timestep: int = 1000,
        actor_lr: float = 1e-4,
        warmup: int = 10_000,
        weight_decay: float = 1e-4,
        gradient_clip: float = 0.25,
        **run: Any,
    ) -> None:
        super().__init__(
            action_low=action_low, learning_rates={"actor": actor_lr}, cosine_decay=(), **run
        )
        sizes = {"context": context, "layers": layers, "heads": heads, "max_timestep": max_timestep}
        for name, size in sizes.items():
            check_range(name, size, size >= 1, "from 1 on")
        divides = embedding >= heads and embedding % heads == 0
        check_range("embedding", embedding, divides, f"at a multiple of heads={heads}")
        check_range("dropout", dropout, 0 <= dropout < 1, "in [0, 1)")
        check_range("warmup", warmup, warmup >= 0, "from 0 on")
        check_range("gradient_clip", gradient_clip, gradient_clip > 0, "above 0")
        scale = return_scale if return_scale is not None else abs(best_return) or 1.0
        check_range("return_scale", scale, scale > 0, "above 0")
        self.actor = DecisionTransformerNet(
            observation_dim,
            len(action_low),
            embedding,
            layers,
            heads,
            max_timestep,
            self.generators("actor"),
        )
        self.observation_dim = observation_dim
        self.target = best_return if target is None else target
        self.return_scale = scale
        self.context = context
        self.dropout = dropout
        self.mask_sizes = [3 * context * embedding] * (1 + 2 * layers)
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.gradient_clips = {"actor": gradient_clip}

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """Windows of K steps."""
        return Needs(window=options["context"])

    def update(self, batch: Batch) -> None:
        """One step of the actor."""
        keep = self.noise.dropout(self.dropout, batch.rewards, self.mask_sizes)
        self.minimise("actor", self.actor_loss, batch, keep)

    def actor_loss(self, batch: Batch, keep: list[Tensor] | None) -> tuple[Tensor, Metrics]:
        """Regression of every action of a window."""
        assert batch.mask is not None
        predicted = self.imitated(batch, keep)
        return sequence_regression_loss(predicted, batch.actions, batch.mask), {}

    def imitated(self, batch: Batch, keep: list[Tensor] | None = None) -> Tensor:
        """Every action of a window, (R, B, K, A)."""
        assert batch.returns_to_go is not None and batch.timesteps is not None
        return self.predict(
            batch.returns_to_go, batch.observations, batch.actions, batch.timesteps, keep
        )

    def predict(
        self,
        returns_to_go: Tensor,
        observations: Tensor,
        actions: Tensor,
        timesteps: Tensor,
        keep: list[Tensor] | None = None,
    ) -> Tensor:
        """Actions (R, B, K, A), from what the data hold, unscaled; see the network."""
        chosen: Tensor = self.actor(
            returns_to_go / self.return_scale, observations, actions, timesteps, keep
        )
        return chosen

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """AdamW."""
        return [
            torch.optim.AdamW(
                self.actor.parameters(),
                lr=self.learning_rates["actor"],
                weight_decay=self.weight_decay,
                fused=True,
            )
        ]

    def learning_rate(self, name: str, update: int) -> float:
        """Growing linearly over the first `warmup` updates."""
        grown = min(1.0, (update + 1) / max(1, self.warmup))
        return grown * super().learning_rate(name, update)

    def mode(self, observations: Tensor) -> Tensor:
        """The first action of an episode."""
        return Context(self, observations.shape[1]).step(observations)

    def begin(self, slots: int) -> ActFunction:
        """Remember the last K steps of each slot's episode."""
        context = Context(self, slots)

        def play(observations: Tensor, rewards: Tensor, starts: Tensor) -> Tensor:
            context.receive(rewards)
            context.reset(starts)
            return self.to_bounds(context.step(self.standardise(observations)))

        return play


class Context:
    """The last K steps of S episodes of each run, as the transformer reads them.

    A slot holds its steps from the left on; what lies to the right of the latest is not seen.
    """

    def __init__(self, policy: DecisionTransformer, slots: int) -> None:
        self.policy = policy
        low = policy.action_low
        shape = (policy.runs, slots, policy.context)
        self.observations = low.new_zeros(*shape, policy.observation_dim)
        self.actions = low.new_zeros(*shape, len(low))
        self.returns_to_go = low.new_zeros(shape)
        self.timesteps = torch.zeros(shape, dtype=torch.int64, device=low.device)
        self.to_go = low.new_full(shape[:2], policy.target)
        self.time = self.timesteps[..., 0].clone()

    def receive(self, rewards: Tensor) -> None:
        """Take rewards (R, S) off the returns that are still asked for."""
        self.to_go -= rewards

    def reset(self, starts: Tensor) -> None:
        """Forget the episodes of the slots where `starts` (R, S) is true."""
        self.to_go.masked_fill_(starts, self.policy.target)
        self.time.masked_fill_(starts, 0)

    def step(self, observations: Tensor) -> Tensor:
        """Act on the next normalised observations (R, S, O): scaled actions (R, S, A)."""
        last = self.policy.context - 1
        full = self.time > last
        here = self.time.clamp(max=last)
        for name, value in {
            "observations": observations,
            "returns_to_go": self.to_go,
            "timesteps": self.time,
            "actions": None,
        }.items():
            kept: Tensor = getattr(self, name)
            moved = torch.where(_like(full[..., None], kept), kept.roll(-1, 2), kept)
            setattr(self, name, moved if value is None else _put(moved, here, value))
        chosen = self.policy.predict(
            self.returns_to_go, self.observations, self.actions, self.timesteps
        )
        actions = chosen.take_along_dim(here[..., None, None], 2).squeeze(2)
        self.actions = _put(self.actions, here, actions)
        self.time = self.time + 1
        return actions


def _like(x: Tensor, y: Tensor) -> Tensor:
    return x.view(*x.shape, *[1] * (y.dim() - x.dim()))


def _put(steps: Tensor, at: Tensor, value: Tensor) -> Tensor:
    """`steps` (R, S, K, ...) with `value` (R, S, ...) at step `at` (R, S)."""
    index = _like(at[..., None], steps).expand(*at.shape, 1, *steps.shape[3:])
    return steps.scatter(2, index, value.unsqueeze(2))
