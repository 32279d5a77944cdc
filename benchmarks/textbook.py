"""Sparse Q-learning as most people would write it in PyTorch: what ours is held against.

The networks, losses, order and departures of the released code, for one run: separate critics,
three Adam optimizers with PyTorch's defaults, a batch indexed from tensors at every update. It
neither logs nor saves nor decays a learning rate, and is the faster for it.
"""

import copy

import torch
from torch import Tensor, nn
from torch.distributions import Normal

ALPHA, DISCOUNT, TAU, BATCH, RATE = 1.0, 0.99, 0.005, 256, 3e-4


def perceptron(inputs: int, outputs: int, hidden: int, norm: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (inputs, hidden):
        layers += [nn.Linear(size, hidden), *([nn.LayerNorm(hidden)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


class Textbook:
    """Give it the columns of a dataset: observations (N, O), actions (N, A), the rest (N,)."""

    def __init__(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        terminated: Tensor,
        next_observations: Tensor,
        hidden: int = 256,
    ) -> None:
        self.columns = observations, actions, rewards, terminated, next_observations
        o, a = observations.shape[1], actions.shape[1]
        self.value = perceptron(o, 1, hidden, norm=True)
        self.actor = perceptron(o, a, hidden)
        self.log_std = nn.Parameter(torch.zeros(a))
        self.critics = nn.ModuleList(perceptron(o + a, 1, hidden) for _ in range(2))
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.value_optimizer = torch.optim.Adam(self.value.parameters(), RATE)
        self.actor_optimizer = torch.optim.Adam([*self.actor.parameters(), self.log_std], RATE)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), RATE)

    def update(self) -> None:
        index = torch.randint(len(self.columns[0]), (BATCH,))
        self.step(*(column[index] for column in self.columns))

    def step(self, s: Tensor, a: Tensor, r: Tensor, d: Tensor, s2: Tensor) -> None:
        """One update on a batch."""
        sa = torch.cat((s, a), -1)

        with torch.no_grad():
            q = torch.minimum(*(target(sa) for target in self.targets)).squeeze(-1)
        v = self.value(s).squeeze(-1)
        z = 1 + (q - v) / (2 * ALPHA)
        value_loss = (torch.where(z > 0, z**2, 0) + v / ALPHA).mean()
        self.value_optimizer.zero_grad()
        value_loss.backward()
        self.value_optimizer.step()

        with torch.no_grad():
            weight = (q - self.value(s).squeeze(-1)).clamp(0, 100)
        policy = Normal(torch.tanh(self.actor(s)), self.log_std.clamp(-5, 2).exp())
        actor_loss = -(weight * policy.log_prob(a).sum(-1)).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()

        with torch.no_grad():
            y = r + DISCOUNT * (1 - d) * self.value(s2).squeeze(-1)
        critic_loss = sum(((critic(sa).squeeze(-1) - y) ** 2).mean() for critic in self.critics)
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()

        with torch.no_grad():
            pairs = zip(self.critics.parameters(), self.targets.parameters(), strict=True)
            for parameter, target in pairs:
                target.mul_(1 - TAU).add_(parameter, alpha=TAU)
