"""Windows of an episode, by hand and by where they may lie."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.windows import Windows
from ivr.errors import UserError
from ivr.types import Needs
from tests.data.dataset_making import encoded


def test_two_windows_by_hand():
    """Rewards (0, 1 | 2, 3, 4): to go 1, 1 | 9, 7, 4. From 3 on, one step is missing."""
    windows = Windows(encoded([2, 3]), 3).gather(torch.tensor([2, 3]))
    assert windows.returns_to_go.tolist() == [[9, 7, 4], [7, 4, 4]]
    assert windows.timesteps.tolist() == [[0, 1, 2], [1, 2, 2]]
    assert windows.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert windows.rewards.tolist() == [[2, 3, 4], [3, 4, 4]]


def test_returns_to_go_are_of_the_recorded_rewards():
    """r -> 2r - 1 is undone, as an environment's rewards are taken off them."""
    plain, moved = encoded([2, 3]), encoded([2, 3], reward_scale=2.0, reward_shift=-1.0)
    moved.rewards.copy_(2 * plain.rewards - 1)
    assert torch.equal(plain.returns_to_go, moved.returns_to_go)


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    length=st.integers(1, 8),
)
def test_a_window_is_an_episode_from_its_first_step_to_its_end_at_most(lengths, length):
    dataset = encoded(lengths)
    first = torch.arange(sum(lengths))
    windows = Windows(dataset, length).gather(first)
    numbers = windows.actions.squeeze(-1).long()  # an action is its transition's number
    there = windows.mask.bool()
    assert torch.equal(there.sum(1), (dataset.ends - first + 1).clamp(max=length))
    assert torch.equal(numbers[there], (first[:, None] + torch.arange(length))[there])
    assert torch.equal(dataset.episodes[numbers], dataset.episodes[:, None].expand_as(numbers))
    assert torch.equal(windows.timesteps, dataset.steps[numbers])
    assert (there[:, :-1] >= there[:, 1:]).all(), "what is missing stands at the end"


def test_windows_are_served_by_seed_and_update():
    def module(seeds):
        return TransitionDataModule(
            encoded([20, 30]), seeds=seeds, batch_size=4, num_updates=9, chunk=9,
            needs=Needs(window=5),
        )  # fmt: skip

    batch = module([1, 2]).batches(0, 9)
    assert batch.observations.shape == (9, 2, 4, 5, 2)
    assert batch.returns_to_go.shape == batch.timesteps.shape == batch.mask.shape == (9, 2, 4, 5)
    later = module([2]).batches(3, 1)
    for served, alone in zip(batch, later, strict=True):
        assert served is alone is None or torch.equal(served[3:4, 1:], alone)


def test_a_window_without_steps_is_refused():
    with pytest.raises(UserError, match=r"algo\.context=0"):
        Windows(encoded([2]), 0)
