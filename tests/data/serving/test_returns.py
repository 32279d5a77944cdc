"""Returns to go by hand, by their recursion, and as they are served."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.returns import discounted_returns_to_go
from ivr.errors import UserError
from ivr.types import Needs
from tests.data.dataset_making import encoded


def test_returns_to_go_by_hand():
    """Rewards (0, 1 | 2, 3, 4), the first episode terminated, the second cut off; gamma 1/2.

    1, 0 + 1/2 | 4 for ever is 8, 3 + 8/2 = 7, 2 + 7/2 = 5.5.
    """
    dataset = encoded([2, 3], [True, False])
    assert discounted_returns_to_go(dataset, 0.5).tolist() == [0.5, 1.0, 5.5, 7.0, 8.0]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.5, 0.99, 1.0]),
)
def test_returns_to_go_obey_their_recursion(episodes, discount):
    lengths = [length for length, _ in episodes]
    ended = [end or discount == 1 for _, end in episodes]
    dataset = encoded(lengths, ended)
    expected, following = [], 0.0
    for n in reversed(range(dataset.num_transitions)):
        reward = float(dataset.rewards[n])
        if dataset.terminated[n]:
            following = 0.0
        elif dataset.truncated[n]:
            following = reward / (1 - discount)
        following = reward + discount * following
        expected.append(following)
    torch.testing.assert_close(
        discounted_returns_to_go(dataset, discount), torch.tensor(expected[::-1])
    )


def test_an_episode_that_fails_to_the_end_is_worth_what_failing_for_ever_is():
    """-1 a step, cut off after 4: -1/(1 - 0.9) = -10 from every step, not -3.4 from the first."""
    dataset = encoded([4])
    dataset.rewards.fill_(-1)
    torch.testing.assert_close(discounted_returns_to_go(dataset, 0.9), torch.full((4,), -10.0))


def test_a_discount_of_one_needs_episodes_that_end():
    with pytest.raises(
        UserError, match=r"discount=1: episodes of made are cut off.*discount=0\.99"
    ):
        discounted_returns_to_go(encoded([2, 3], [True, False]), 1)


def test_batches_carry_the_returns_of_their_own_transitions():
    dataset = encoded([2, 3], [True, False])
    options = {"seeds": [1, 2], "batch_size": 4, "num_updates": 9, "chunk": 9}
    module = TransitionDataModule(dataset, **options, needs=Needs(return_discount=0.5))
    batch = module.batches(0, 9)
    assert batch.discounted_returns_to_go.shape == (9, 2, 4)
    table = torch.tensor([0.5, 1.0, 5.5, 7.0, 8.0])
    assert torch.equal(batch.discounted_returns_to_go, table[batch.actions.squeeze(-1).long()])
    assert torch.equal(batch.at(3).discounted_returns_to_go, batch.discounted_returns_to_go[3])
    assert TransitionDataModule(dataset, **options).batches(0, 1).discounted_returns_to_go is None
