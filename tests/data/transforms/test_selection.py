"""Which transitions are served: the best trajectories, and those with a next action."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.transforms.selection import best_episodes, hold_out, select
from ivr.errors import UserError
from ivr.types import Needs
from tests.data.dataset_making import encoded

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def drawn(dataset, needs, count=400):
    module = TransitionDataModule(
        dataset, seeds=[3], batch_size=1, num_updates=count, chunk=count, needs=needs
    )
    return module.batches(0, count)


def test_everything_is_served_where_nothing_is_asked():
    assert select(encoded([3, 4]), Needs()) is None


def test_the_best_tenth_is_a_share_of_trajectories_by_return():
    """Of 20 returns the two highest, 9 and 8; of equal ones (7, 7) the earlier."""
    returns = torch.tensor([0.0] * 10 + [9, 1, 7, 8, 7] + [2.0] * 5, dtype=torch.float64)
    assert best_episodes(returns, 0.1).nonzero().flatten().tolist() == [10, 13]
    assert best_episodes(returns, 0.15).nonzero().flatten().tolist() == [10, 12, 13]
    assert best_episodes(returns, 0.001).nonzero().flatten().tolist() == [10]
    assert best_episodes(returns, 1.0).all()


@given(LENGTHS, st.floats(0.01, 1))
def test_only_whole_trajectories_of_the_best_are_served(lengths, fraction):
    dataset = encoded(lengths)
    chosen = select(dataset, Needs(best_fraction=fraction))
    kept = dataset.episodes.unique() if chosen is None else dataset.episodes[chosen].unique()
    count = max(1, int(fraction * len(lengths) + 1e-9))
    assert len(kept) == count
    worst = dataset.episode_returns[kept].min()
    assert (dataset.episode_returns > worst).sum() < count
    assert chosen is None or len(chosen) == sum(lengths[k] for k in kept)


def test_batches_hold_the_best_trajectories_and_all_of_them():
    """Rewards count up, so the last of three episodes (transitions 5..9) is the best."""
    batch = drawn(encoded([2, 3, 5]), Needs(best_fraction=0.34))
    assert batch.actions.unique().tolist() == [5, 6, 7, 8, 9]


@given(LENGTHS, st.data())
def test_a_next_action_is_the_one_that_follows_in_the_same_episode(lengths, data):
    ended = data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    dataset = encoded(lengths, ended)
    needs = Needs(next_actions=True)
    if max(lengths) == 1 and not any(ended):
        with pytest.raises(UserError, match="cut off before a second action"):
            select(dataset, needs)
        return
    batch = drawn(dataset, needs)
    goes_on = batch.terminated.flatten() == 0
    number = batch.actions.flatten().long()
    # Never the last transition of a truncated episode, and never the next episode's action.
    assert not dataset.truncated[number].any()
    assert torch.equal(batch.next_actions.flatten()[goes_on], number[goes_on] + 1.0)
    following = dataset.episodes[(number + 1).clamp(max=len(dataset.episodes) - 1)]
    assert torch.equal(dataset.episodes[number][goes_on], following[goes_on])


def test_without_the_need_there_are_no_next_actions():
    assert drawn(encoded([3, 4]), Needs(), 5).next_actions is None


@given(LENGTHS)
def test_starts_and_ends_are_those_of_the_episode(lengths):
    dataset = encoded(lengths)
    for n in range(sum(lengths)):
        members = (dataset.episodes == dataset.episodes[n]).nonzero().flatten()
        assert (dataset.starts[n], dataset.ends[n]) == (members[0], members[-1])


def test_what_is_held_out_is_a_share_of_the_data_and_the_same_for_every_seed():
    dataset = encoded([300, 700])
    marks = hold_out(dataset, 0.1)
    assert set(marks.tolist()) == {0.0, 1.0}
    assert 60 < marks.sum() < 140  # 100 expected, standard deviation 9.5
    assert torch.equal(marks, hold_out(dataset, 0.1))
    assert hold_out(dataset, 0.0) is None
    with pytest.raises(UserError, match=r"algo\.holdout=1\.0"):
        hold_out(dataset, 1.0)
    module = TransitionDataModule(
        dataset, seeds=[1, 2], batch_size=50, num_updates=3, chunk=3, needs=Needs(holdout=0.1)
    )
    batch = module.batches(0, 3)
    assert torch.equal(batch.held_out, marks[batch.actions.squeeze(-1).long()])
    assert batch.held_out.any()
