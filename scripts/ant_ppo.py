"""Proximal policy optimisation (Schulman et al., 2017) for the Ant of `train_ant.py`."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from ant_plane import DISCOUNT, Arrays
from numpy.typing import NDArray
from torch import Tensor, nn

from ivr.data.generation.ant import ACTIONS, FEATURES

LAMBDA = 0.95
_BEGUN_STD = 0.3  # of the actions of a policy that walks already
EPOCHS, MINIBATCH, CLIP = 5, 1024, 0.2


def advantages(batch: Arrays) -> NDArray[np.float32]:
    """Generalised advantage estimation (Schulman et al., 2016), (steps, N)."""
    rewards, ends, values = batch["rewards"], batch["ends"], batch["values"]
    result, following = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        goes_on = 1 - ends[t]
        error = rewards[t] + DISCOUNT * goes_on * values[t + 1] - values[t]
        result[t] = following = error + DISCOUNT * LAMBDA * goes_on * following
    return result


class Learner(nn.Module):
    """Actor, critic, the spread of the actions, and running statistics of the features."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = _mlp(ACTIONS, 0.01), _mlp(1, 1.0)
        self.log_std = nn.Parameter(torch.full((ACTIONS,), -0.5))
        self.count = 1e-4
        self.mean, self.square = torch.zeros(FEATURES), torch.ones(FEATURES)

    @property
    def scale(self) -> Tensor:
        """Standard deviations of the features."""
        return (self.square - self.mean**2).clamp_min(1e-4).sqrt()

    def standardised(self, seen: Tensor) -> Tensor:
        """Clipped at 8 deviations."""
        return ((seen - self.mean) / self.scale).clamp(-8, 8)

    def watch(self, seen: Tensor) -> None:
        """Add (B, 29) features to the statistics."""
        self.count += len(seen)
        share = len(seen) / self.count
        self.mean = self.mean + share * (seen.mean(0) - self.mean)
        self.square = self.square + share * ((seen**2).mean(0) - self.square)

    def log_prob(self, seen: Tensor, actions: Tensor) -> Tensor:
        """Of (B, 8) actions given (B, 29) features."""
        normal = torch.distributions.Normal(self.actor(self.standardised(seen)), self.log_std.exp())
        return normal.log_prob(actions).sum(-1)

    def arrays(self) -> Arrays:
        """All of it, in the names that `ivr.data.generation.ant.Network` reads."""
        out = {"mean": self.mean, "scale": self.scale, "log_std": self.log_std}
        for name, network in (("actor", self.actor), ("critic", self.critic)):
            linear = [layer for layer in network if isinstance(layer, nn.Linear)]
            for k, layer in enumerate(linear):
                out[f"{name}.{k}.weight"], out[f"{name}.{k}.bias"] = layer.weight.T, layer.bias
        return {key: value.detach().numpy().astype(np.float32) for key, value in out.items()}

    def begin_as(self, arrays: Mapping[str, NDArray[np.floating]], weakness: float) -> None:
        """Take over the policy of a body whose motors are `weakness` times as strong."""
        self.count = 2e5  # steps after which the other body's statistics are half forgotten
        self.mean = torch.from_numpy(arrays["mean"].astype(np.float32))
        self.square = torch.from_numpy(arrays["scale"].astype(np.float32)) ** 2 + self.mean**2
        linear = [layer for layer in self.actor if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for k, layer in enumerate(linear):
                gain = weakness if layer is linear[-1] else 1.0
                layer.weight.copy_(gain * torch.from_numpy(arrays[f"actor.{k}.weight"].T))
                layer.bias.copy_(gain * torch.from_numpy(arrays[f"actor.{k}.bias"]))
            self.log_std.fill_(math.log(_BEGUN_STD))

    def load(self, arrays: Arrays, count: int) -> None:
        """Take over what `arrays` gave, after `count` steps."""
        self.count = float(count)
        self.mean = torch.from_numpy(arrays["mean"])
        self.square = torch.from_numpy(arrays["scale"]) ** 2 + self.mean**2
        with torch.no_grad():
            self.log_std.copy_(torch.from_numpy(arrays["log_std"]))
            for name, network in (("actor", self.actor), ("critic", self.critic)):
                linear = [layer for layer in network if isinstance(layer, nn.Linear)]
                for k, layer in enumerate(linear):
                    layer.weight.copy_(torch.from_numpy(arrays[f"{name}.{k}.weight"].T))
                    layer.bias.copy_(torch.from_numpy(arrays[f"{name}.{k}.bias"]))


def _mlp(outputs: int, gain: float) -> nn.Sequential:
    layers = [nn.Linear(FEATURES, 256), nn.Linear(256, 256), nn.Linear(256, outputs)]
    for layer, size in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, size)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def improve(
    learner: Learner, optimizer: torch.optim.Optimizer, batch: Arrays, actor: bool = True
) -> None:
    """The clipped surrogate and the squared error of the critic, over minibatches.

    Without `actor` only the critic learns.
    """
    gain = advantages(batch)
    returns = torch.from_numpy((gain + batch["values"][:-1]).reshape(-1))
    gains = torch.from_numpy(gain.reshape(-1))
    seen = torch.from_numpy(batch["seen"].reshape(-1, FEATURES))
    actions = torch.from_numpy(batch["actions"].reshape(-1, ACTIONS))
    before = torch.from_numpy(batch["log_prob"].reshape(-1))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(seen)).split(MINIBATCH):
            a = gains[rows]
            a = (a - a.mean()) / (a.std() + 1e-6)
            ratio = (learner.log_prob(seen[rows], actions[rows]) - before[rows]).exp()
            surrogate = torch.minimum(ratio * a, ratio.clamp(1 - CLIP, 1 + CLIP) * a).mean()
            value = learner.critic(learner.standardised(seen[rows])).squeeze(-1)
            loss = 0.5 * ((value - returns[rows]) ** 2).mean() - (surrogate if actor else 0)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learner.parameters(), 0.5)
            optimizer.step()
    learner.watch(seen)
