"""Going online as most people would write it in PyTorch: what ours is held against.

What `online=remodel` does once it is online, for one run: an environment, a gate, and after every
step an update of K separate critics, the policy and its multiplier. It neither evaluates nor logs
nor saves nor resumes, and is the faster for it.
"""

import copy
import random

import gymnasium
import torch
from textbook import BATCH, DISCOUNT, RATE, TAU, perceptron
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

CRITICS, CAPACITY, BUDGET = 10, 100_000, 0.5


class TextbookOnline:
    """Give it an environment with actions in [-1, 1], and a dataset's columns as `Textbook`."""

    def __init__(self, env: gymnasium.Env, columns: tuple[Tensor, ...], hidden: int = 256) -> None:
        self.env, self.columns = env, columns
        o, a = columns[0].shape[1], columns[1].shape[1]
        self.actor = perceptron(o, a, hidden)
        self.log_std = nn.Parameter(torch.zeros(a))
        self.initial, self.reference = copy.deepcopy(self.actor), copy.deepcopy(self.actor)
        self.critics = nn.ModuleList(
            perceptron(o + a, 1, hidden, norm=True) for _ in range(CRITICS)
        )
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_multiplier = nn.Parameter(torch.zeros(()))
        self.actor_optimizer = torch.optim.Adam([*self.actor.parameters(), self.log_std], RATE)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), RATE)
        self.multiplier_optimizer = torch.optim.Adam([self.log_multiplier], RATE)
        self.replay = tuple(torch.zeros(CAPACITY, *c.shape[1:]) for c in columns)
        self.added = 0
        self.observation, _ = env.reset(seed=0)

    def policy(self, network: nn.Module, s: Tensor) -> Normal:
        return Normal(torch.tanh(network(s)), self.log_std.clamp(-5, 2).exp())

    def act(self, s: Tensor) -> Tensor:
        """The learner's action where the gate lets it pass, else the initial policy's."""
        with torch.no_grad():
            bounds = []
            actions = [
                self.policy(network, s).sample().clamp(-1, 1)
                for network in (self.actor, self.initial)
            ]
            for action in actions:
                q = torch.stack([critic(torch.cat((s, action), -1)) for critic in self.critics])
                bounds.append(q.mean() - q.std())
        return actions[0] if bounds[0] >= bounds[1] else actions[1]

    def step(self) -> None:
        """One step of the environment and one update."""
        s = torch.as_tensor(self.observation, dtype=torch.float32)
        a = self.act(s)
        following, reward, terminated, truncated, _ = self.env.step(a.numpy())
        place = self.added % CAPACITY
        for column, value in zip(self.replay, (s, a, reward, terminated, following), strict=True):
            column[place] = torch.as_tensor(value)
        self.added += 1
        self.observation = following
        if terminated or truncated:
            self.observation, _ = self.env.reset()
        self.update()

    def update(self) -> None:
        """One update on a batch of which half is offline data."""
        old = torch.randint(len(self.columns[0]), (BATCH // 2,))
        new = torch.randint(min(self.added, CAPACITY), (BATCH // 2,))
        s, a, r, d, s2 = (
            torch.cat((x[old], y[new])) for x, y in zip(self.columns, self.replay, strict=True)
        )

        with torch.no_grad():
            a2 = self.policy(self.actor, s2).sample().clamp(-1, 1)
            two = random.sample(list(self.targets), 2)
            q2 = torch.minimum(*(target(torch.cat((s2, a2), -1)) for target in two)).squeeze(-1)
            y = r + DISCOUNT * (1 - d) * q2
        sa = torch.cat((s, a), -1)
        critic_loss = sum(((critic(sa).squeeze(-1) - y) ** 2).mean() for critic in self.critics)
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()

        policy = self.policy(self.actor, s)
        sampled = torch.cat((s, policy.rsample().clamp(-1, 1)), -1)
        q = torch.stack([critic(sampled).squeeze(-1) for critic in self.critics]).mean(0)
        with torch.no_grad():
            reference = self.policy(self.reference, s)
        kl = kl_divergence(policy, reference).sum(-1)
        actor_loss = (self.log_multiplier.exp().detach() * kl - q).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()

        multiplier_loss = -self.log_multiplier.exp() * (kl.detach().mean() - BUDGET)
        self.multiplier_optimizer.zero_grad()
        multiplier_loss.backward()
        self.multiplier_optimizer.step()

        with torch.no_grad():
            for network, average in ((self.critics, self.targets), (self.actor, self.reference)):
                pairs = zip(network.parameters(), average.parameters(), strict=True)
                for parameter, kept in pairs:
                    kept.mul_(1 - TAU).add_(parameter, alpha=TAU)
