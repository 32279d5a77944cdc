"""Returns to go and goals, by hand and by where they may lie."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.outcomes import GoalOutcomes, ReturnOutcomes, make_outcomes
from ivr.errors import UserError
from ivr.types import Needs
from tests.data.dataset_making import encoded


def test_the_reward_to_go_a_step_of_the_time_left_by_hand():
    """Rewards (0, 1 | 2, 3, 4), horizon 3: to go 1, 1 | 9, 7, 4 over 3, 2 | 3, 2, 1 steps.

    That is 1/3, 1/2 | 3, 7/2, 4 with mean 34/15; the best episode's return, 9, asks for 3.
    """
    outcomes = ReturnOutcomes(encoded([2, 3]), None)
    expected = torch.tensor([1 / 3, 1 / 2, 3, 7 / 2, 4], dtype=torch.float64)
    mean, deviation = expected.mean(), expected.std(correction=0)
    drawn = outcomes.draw(torch.arange(5).view(1, 1, 5), [0], torch.tensor([0]))
    assert drawn.shape == (1, 1, 5, 1)
    torch.testing.assert_close(drawn.flatten().double(), (expected - mean) / deviation)
    assert outcomes.target == [pytest.approx(float((3 - mean) / deviation))]
    assert ReturnOutcomes(encoded([2, 3]), 6.0).target == [
        pytest.approx(float((2 - mean) / deviation))
    ]


def test_a_transform_of_the_rewards_does_not_change_the_outcomes():
    """r -> 2r - 1 is undone: else an episode that ends early, at -1 a step, would look good."""
    plain = encoded([2, 3])
    moved = encoded([2, 3], reward_scale=2.0, reward_shift=-1.0)
    moved.rewards.copy_(2 * plain.rewards - 1)
    a, b = ReturnOutcomes(plain, None), ReturnOutcomes(moved, None)
    index = torch.arange(5).view(1, 1, 5)
    torch.testing.assert_close(*(o.draw(index, [0], torch.tensor([0])) for o in (a, b)))
    assert a.target == pytest.approx(b.target)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 9))
def test_a_goal_is_a_later_position_of_the_same_episode(lengths, seed):
    dataset = encoded(lengths, goal=(7.0, 8.0))
    index = torch.arange(sum(lengths)).expand(30, 1, -1)
    goals = GoalOutcomes(dataset).draw(index, [seed], torch.arange(30))
    assert goals.shape == (30, 1, sum(lengths), 2)
    rows = goals[..., 0]  # an observation is (row, -row)
    assert torch.equal(goals[..., 1], -rows)
    assert (rows > dataset.rows).all()
    assert (rows <= dataset.rows[dataset.ends] + 1).all()


def test_every_later_position_is_drawn():
    goals = GoalOutcomes(encoded([4], goal=(0.0, 0.0))).draw(
        torch.ones(300, 1, 1, dtype=torch.long), [0], torch.arange(300)
    )
    assert goals[..., 0].unique().tolist() == [2, 3, 4]


def test_batches_carry_the_outcomes_of_their_own_transitions():
    dataset = encoded([2, 3])
    module = TransitionDataModule(
        dataset, seeds=[1, 2], batch_size=4, num_updates=9, chunk=9, needs=Needs(outcome="return")
    )
    batch = module.batches(0, 9)
    table = ReturnOutcomes(dataset, None).draw(torch.arange(5), [0], torch.tensor([0]))
    assert torch.equal(batch.outcomes, table[batch.actions.squeeze(-1).long()])
    again = module.batches(3, 1)
    assert torch.equal(again.outcomes[0], batch.outcomes[3])


def test_an_outcome_that_the_data_do_not_have_is_refused():
    with pytest.raises(UserError, match=r"conditioning=goal: made has no maze.*=return"):
        make_outcomes(encoded([2]), Needs(outcome="goal"))
    with pytest.raises(UserError, match="conditioning=luck: there is return, goal"):
        make_outcomes(encoded([2]), Needs(outcome="luck"))
