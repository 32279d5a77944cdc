"""The Lightning module itself, with small networks and the whole data in each batch, comes near.

A tolerance that tells the orders and the two values apart: their V(0) are 4.19 (order 0), 2.09 and
1.30 (order 1/2, exact and approximate), 1.50 and 0.81 (order 1).
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from ivr.algos.ivr import ImplicitValueRegularization
from ivr.types import Batch
from tests.algos.algorithm_making import quiet_trainer
from tests.ground_truth.tabular import TabularMDP, solve

STATES, ACTIONS, DISCOUNT = 3, 3, 0.9
ALPHA, TOLERANCE = 1.0, 0.03
CASES = [(0.0, "exact"), (0.5, "exact"), (0.5, "approximate"), (1.0, "exact"), (1.0, "approximate")]
MU, REWARDS = (16, 3, 1), (0.0, 1.0, 3.0)  # the rare action, 1 of 20, earns most


def chain() -> TabularMDP:
    """0 -> 1 -> 2 -> the end, whatever is done."""
    states = np.arange(STATES + 1)
    transitions = np.zeros((len(states), ACTIONS, len(states)))
    transitions[states, :, np.minimum(states + 1, STATES)] = 1
    mu, rewards = (np.tile(row, (len(states), 1)) for row in (np.array(MU) / sum(MU), REWARDS))
    return TabularMDP(transitions, rewards, mu, states == STATES, DISCOUNT)


class Chunks:
    """Every transition of the chain as often as mu says, one-hot, again and again."""

    def __init__(self, updates: int, size: int = 50) -> None:
        self.updates, self.size = updates, size

    def __iter__(self) -> Iterator[Batch]:
        states = torch.arange(STATES).repeat_interleave(sum(MU))
        actions = torch.arange(ACTIONS).repeat_interleave(torch.tensor(MU)).repeat(STATES)
        columns = [
            one_hot(states, STATES + 1),
            1.8 * one_hot(actions, ACTIONS) - 0.9,
            torch.tensor(REWARDS)[actions],
            states == STATES - 1,
            one_hot(states + 1, STATES + 1),
        ]
        chunk = Batch(*(x.float()[None, None].expand(self.size, 1, *x.shape) for x in columns))
        for _ in range(self.updates // self.size):
            yield chunk


def expected(order: float, value: str) -> np.ndarray:
    """V of the states before the end."""
    return solve(chain(), ALPHA, order, value == "exact").v[:STATES]


@pytest.mark.parametrize(("order", "value"), CASES)
def test_a_short_training_comes_near_the_solution(order, value):
    updates, rate = 500, 6e-3
    algorithm = ImplicitValueRegularization(
        alpha=ALPHA,
        order=order,
        value=value,
        seeds=[0],
        observation_dim=STATES + 1,
        action_low=[-1.0] * ACTIONS,
        action_high=[1.0] * ACTIONS,
        num_updates=updates,
        discount=DISCOUNT,
        target_tau=0.2,
        hidden=(32,),
        value_layer_norm=False,
        value_lr=rate,
        actor_lr=rate,
        critic_lr=rate,
    )
    # At a constant rate Adam goes on circling around what it has found.
    algorithm.cosine_decay = tuple(algorithm.learning_rates)
    quiet_trainer(updates).fit(algorithm, Chunks(updates))
    with torch.no_grad():
        values = algorithm.state_value(torch.eye(STATES + 1)[None])[0, :STATES]
    np.testing.assert_allclose(values, expected(order, value), rtol=0, atol=TOLERANCE)
    assert algorithm.last_metrics["weight/mean"].item() == pytest.approx(1, abs=TOLERANCE)


def test_another_order_or_value_would_miss_the_tolerance_twice_over():
    for one, other in combinations(CASES, 2):
        assert np.abs(expected(*one) - expected(*other)).max() > 3 * TOLERANCE
