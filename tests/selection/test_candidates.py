"""What an algorithm's own critic says, in units of the recorded rewards."""

import torch

from ivr.selection.candidates import Candidate, Group
from tests.algos.algorithm_making import build, toy_batches


def test_the_units_of_a_cost_are_those_of_a_reward():
    algorithm = build("sql", [0])
    batch = toy_batches([0], range(1)).at(0).each(lambda x: x[0])
    reward, cost = (
        Group(algorithm, [Candidate("a")], [0], 1, reward_scale=scale) for scale in (2.0, -2.0)
    )
    values = [group.own_value(batch.observations, batch.actions[None]) for group in (reward, cost)]
    errors = [group.own_td_error(batch) for group in (reward, cost)]
    assert torch.equal(*values) and torch.equal(*errors) and (errors[0] > 0).all()
    q = algorithm.action_value(batch.observations[None], batch.actions[None])
    torch.testing.assert_close(2 * values[0], q)
