"""Fitted Q-evaluation on tabular MDPs, whose values are known: Q = (I - gamma P_pi)^-1 r."""

import numpy as np
import pytest
import torch

from ivr.algos.shared.evaluation import FittedQEvaluation
from ivr.data.dataset import DatasetInfo, OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.losses.evaluation import attainable_range
from ivr.selection.fitting import train
from ivr.selection.interval import interval
from ivr.types import Batch, Needs
from tests.ground_truth.landing import Data
from tests.ground_truth.tabular import TabularMDP, random_mdp

STATES, ACTIONS = 5, 4


def one_hot(index: torch.Tensor, size: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(index, size).float()


def pairs(states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """An action of its own for each state and action: a linear critic is then a table."""
    return one_hot(states * ACTIONS + actions, STATES * ACTIONS)


def as_dataset(mdp: TabularMDP) -> tuple[OfflineDataset, torch.Tensor]:
    """Every transition, an episode of one step, and how often it happens."""
    data = Data(mdp)
    every = torch.stack((data.s, data.a, data.next_s))
    (s, a, next_s), counts = torch.unique(every, dim=1, return_counts=True)
    ended = torch.from_numpy(mdp.terminal)[next_s]
    rewards, count = torch.from_numpy(mdp.rewards)[s, a].float(), len(s)
    info = DatasetInfo("table", "here", "0", count, count, (-1.0,) * 20, (1.0,) * 20, None, None)
    dataset = OfflineDataset(
        one_hot(torch.stack((s, next_s), 1).flatten(), STATES), pairs(s, a), rewards, ended, ~ended,
        2 * torch.arange(count), rewards.double(), info,
    )  # fmt: skip
    return dataset, counts.float()


class Everything(TransitionDataModule):
    """Serves all transitions in each update, as often as they happen: no sampling error is left."""

    counts: torch.Tensor

    def batches(self, first: int, count: int) -> Batch:
        runs = len(self.seeds)
        batch = self.dataset.gather(torch.arange(self.dataset.num_transitions))
        following = self.policy_actions[:, self.dataset.rows + 1]
        wide = batch.each(lambda x: x.expand(count, runs, *x.shape))
        weights = self.counts[:, None].expand(count, runs, -1, 2)
        return wide._replace(
            next_actions=following.expand(count, *following.shape), bootstrap=weights
        )


def policies(seed: int, count: int) -> torch.Tensor:
    """Deterministic ones, (P, S)."""
    return torch.from_numpy(np.random.default_rng(seed).integers(ACTIONS, size=(count, STATES)))


def fitted(mdp, chosen, served=Everything, num_updates=500, **more):
    """The critics of deterministic policies (P, S), trained by the driver of `rank.py`."""
    dataset, counts = as_dataset(mdp)
    states = dataset.observations.argmax(-1)
    seeds = [0] * len(chosen)
    served = served(
        dataset, seeds=seeds, batch_size=16, num_updates=num_updates, chunk=100,
        policy_actions=torch.stack([pairs(states, policy[states]) for policy in chosen]),
        needs=Needs(bootstrap=2),
    )  # fmt: skip
    served.counts = counts
    options = {"critic_lr": 0.1, "target_tau": 1.0} | more
    algorithm = FittedQEvaluation(
        observation_dim=STATES, action_low=(-1.0,) * 20, action_high=(1.0,) * 20, hidden=(),
        limits=attainable_range(mdp.rewards.min(), mdp.rewards.max(), mdp.discount),
        discount=mdp.discount, critics=2, seeds=seeds, num_updates=num_updates, **options,
    )  # fmt: skip
    train(algorithm, served, compile_updates="false")
    return algorithm


def values(algorithm: FittedQEvaluation) -> np.ndarray:
    """Q of every critic, (P, K, S, A)."""
    states, actions = (torch.arange(n) for n in (STATES, ACTIONS))
    grid = torch.cartesian_prod(states, actions)
    shown = one_hot(grid[:, 0], STATES), pairs(grid[:, 0], grid[:, 1])
    wide = (x.expand(algorithm.runs, *x.shape) for x in shown)
    return algorithm.values(*wide).view(algorithm.runs, -1, STATES, ACTIONS).double().numpy()


def in_support(mdp: TabularMDP, policy: torch.Tensor) -> torch.Tensor:
    """The policy with an action of the data wherever it chose one that is in none."""
    best = torch.from_numpy(mdp.behaviour.argmax(-1))
    seen = torch.from_numpy(mdp.behaviour[np.arange(STATES), policy] > 0)
    return torch.where(seen, policy, best)


def test_it_lands_on_the_linear_systems_solution():
    """To 1e-3, every critic, of three policies side by side."""
    mdp = random_mdp(3)
    chosen = torch.stack([in_support(mdp, policy) for policy in policies(1, 3)])
    found = values(fitted(mdp, chosen))
    seen = mdp.behaviour > 0
    for q, policy in zip(found, chosen, strict=True):
        exact = mdp.backup(mdp.evaluate(np.eye(ACTIONS)[policy], mdp.rewards))
        for critic in q:
            np.testing.assert_allclose(critic[seen], exact[seen], rtol=0, atol=1e-3)


def test_of_the_policy_that_made_the_data_it_is_sarsa():
    """The same bits, whether its actions are served as the policy's or as the data's next ones."""
    steps, episodes = 4, 30
    states = torch.randint(
        STATES, (episodes, steps + 1), generator=torch.Generator().manual_seed(0)
    )
    policy = policies(2, 1)[0]
    rows = (torch.arange(episodes)[:, None] * (steps + 1) + torch.arange(steps)).flatten()
    ended = torch.arange(steps).eq(steps - 1).repeat(episodes)
    info = DatasetInfo(
        "walks", "here", "0", len(rows), episodes, (-1.0,) * 20, (1.0,) * 20, None, None
    )
    flat = states.flatten()
    dataset = OfflineDataset(
        one_hot(flat, STATES), pairs(flat, policy[flat])[rows], flat[rows].float(), ended,
        torch.zeros_like(ended), rows, torch.zeros(episodes, dtype=torch.float64), info,
    )  # fmt: skip
    found = []
    for more in (
        {"needs": Needs(bootstrap=2, next_actions=True)},
        {"needs": Needs(bootstrap=2), "policy_actions": pairs(flat, policy[flat])[None]},
    ):
        served = TransitionDataModule(
            dataset, seeds=[5], batch_size=16, num_updates=20, chunk=10, **more
        )
        algorithm = FittedQEvaluation(
            observation_dim=STATES, action_low=(-1.0,) * 20, action_high=(1.0,) * 20, hidden=(8,),
            limits=(0.0, 40.0), discount=0.9, critics=2, seeds=[5], num_updates=20,
        )  # fmt: skip
        train(algorithm, served, compile_updates="false")
        found.append(algorithm.state_dict())
    for name, weights in found[0].items():
        assert torch.equal(weights, found[1][name]), name


def test_a_policy_alone_is_what_it_is_among_others():
    mdp, chosen = random_mdp(4), policies(3, 3)
    options = {"served": TransitionDataModule, "num_updates": 30, "target_tau": 0.1}
    together = fitted(mdp, chosen, **options)
    for k in range(3):
        alone = fitted(mdp, chosen[k : k + 1], **options)
        for name, weights in alone.state_dict().items():
            torch.testing.assert_close(together.state_dict()[name][k], weights[0])
    assert not np.allclose(values(together)[0], values(together)[1])


def walks(mdp: TabularMDP, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """(episode, s, a, s') of the behaviour, from even initial states, 12 steps at most."""
    rows = []
    for episode in range(episodes):
        state = rng.integers(STATES - 1)
        for _ in range(12):
            action = rng.choice(ACTIONS, p=mdp.behaviour[state])
            following = rng.choice(STATES, p=mdp.transitions[state, action])
            rows.append((episode, state, action, following))
            if mdp.terminal[following]:
                break
            state = following
    return np.array(rows)


def head(mdp: TabularMDP, rows: np.ndarray, weights: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """V (S,) at which fitted Q-evaluation ends on episodes of these weights."""
    episode, s, a, following = rows.T
    counts = np.zeros((STATES, ACTIONS, STATES))
    np.add.at(counts, (s, a, following), weights[episode])
    total = counts.sum(-1, keepdims=True)
    # What no weighted episode has done leads nowhere.
    moves = np.where(total > 0, counts / np.where(total > 0, total, 1), 0)
    seen = TabularMDP(moves, mdp.rewards, mdp.behaviour, mdp.terminal, mdp.discount)
    return seen.evaluate(policy, mdp.rewards)


@pytest.mark.parametrize(
    ("level", "tolerance"), [(0.9, 0.07), pytest.param(0.5, 0.12, marks=pytest.mark.slow)]
)
def test_intervals_cover_at_their_nominal_rate(level, tolerance):
    """Of 100 random MDPs: the rate's own standard deviation is 0.03 at 0.9 and 0.05 at 0.5.

    The tolerance is a little over two of them.
    """
    hits = []
    for seed in range(100):
        mdp, rng = random_mdp(seed), np.random.default_rng(seed)
        chosen = in_support(mdp, policies(seed, 1)[0]).numpy()
        # Half of it the data's own, so that every action that it takes is in the data.
        policy = 0.5 * np.eye(ACTIONS)[chosen] + 0.5 * mdp.behaviour
        rows = walks(mdp, 150, rng)
        first = rows[np.unique(rows[:, 0], return_index=True)[1], 1]
        heads = [head(mdp, rows, rng.poisson(1, 150), policy)[first] for _ in range(8)]
        found = interval(torch.from_numpy(np.stack(heads))[None], level)
        truth = mdp.evaluate(policy, mdp.rewards)[: STATES - 1].mean()
        hits.append(found.lower.item() <= truth <= found.upper.item())
    assert abs(np.mean(hits) - level) <= tolerance, np.mean(hits)
