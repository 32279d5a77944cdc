"""What is collected, when, and batches of old and new transitions."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.serving.replay import MixedDataModule, ReplayBuffer
from ivr.data.serving.schedule import Schedule
from ivr.types import Batch, Needs
from tests.data.dataset_making import encoded

schedules = st.builds(
    lambda offline, warmup, online, block, each: Schedule(
        offline * block * each, warmup * block, (warmup + online) * block, block, each, (0.5, 0.25)
    ),
    st.integers(0, 5),
    st.integers(1, 5),
    st.integers(1, 20),
    st.integers(1, 10),
    st.integers(1, 3),
)


@given(schedules)
def test_blocks_of_steps_and_of_updates_take_turns(schedule):
    steps = [schedule.steps_before(u) for u in range(schedule.num_updates + 1)]
    taken = set(steps[: schedule.offline_updates])
    assert taken <= {0}
    online = steps[schedule.offline_updates :]
    assert online[0] == min(schedule.num_steps, schedule.warmup_steps + schedule.block)
    assert online[-1] == schedule.num_steps
    for before, after in pairwise(online):
        assert after - before in (0, schedule.block)
    # An update sees each step once on average, and never one that is not taken yet.
    for u, seen in enumerate(online[:-1]):
        assert (seen - schedule.warmup_steps) * schedule.updates_per_step > u


@given(schedules, st.integers(1, 300))
def test_the_offline_part_of_a_batch_falls_from_half_to_a_quarter(schedule, size):
    updates = torch.arange(schedule.num_updates)
    part = schedule.offline_part(updates, size)
    assert (part[: schedule.offline_updates] == size).all()
    online = part[schedule.offline_updates :]
    assert abs(int(online[0]) - size / 2) <= 0.5
    if len(online) > 1:
        assert abs(int(online[-1]) - size / 4) <= 0.5
    assert (online.diff() <= 0).all()


def transition(number: int) -> Batch:
    """Number `number` of two members, the second's negative."""
    value = torch.tensor([1.0, -1.0]) * number
    return Batch(
        observations=value[:, None].expand(2, 2),
        actions=value[:, None].expand(2, 1),
        rewards=value,
        terminated=torch.zeros(2),
        next_observations=value[:, None].expand(2, 2) + 0.5,
    )


def test_the_ring_keeps_the_latest_of_each_member():
    buffer = ReplayBuffer(2, 4, 2, 1)
    for number in range(1, 7):
        buffer.add(transition(number))
    assert buffer.added == 6
    everything = torch.arange(4).expand(1, 2, 4)
    seen = buffer.gather(everything)
    assert sorted(seen.rewards[0, 0].tolist()) == [3, 4, 5, 6]
    assert sorted(seen.rewards[0, 1].tolist()) == [-6, -5, -4, -3]
    assert torch.equal(seen.next_observations, seen.observations + 0.5)
    assert buffer.latest_actions(1, 3).flatten().tolist() == [-4, -5, -6]


@pytest.mark.parametrize("added", [0, 3, 9])
def test_its_state_is_all_that_it_holds(added):
    buffer, restored = ReplayBuffer(2, 4, 2, 1), ReplayBuffer(2, 4, 2, 1)
    for number in range(added):
        buffer.add(transition(number))
    restored.load_state_dict(buffer.state_dict())
    for one in (buffer, restored):
        one.add(transition(100))
    assert restored.added == buffer.added
    for a, b in zip(restored.columns[:5], buffer.columns[:5], strict=True):
        assert torch.equal(a, b)


def test_returns_to_go_are_known_when_an_episode_has_ended():
    """Rewards 1, 2, 3 at a discount of 0.5: 1 + 0.5 (2 + 0.5 * 3) = 2.75, 3.5, 3.

    Where the episode was cut off, its last reward repeats for ever: 3 / (1 - 0.5) = 6 from the last
    step on, 2 + 0.5 * 6 = 5 and 1 + 0.5 * 5 = 3.5 before.
    """
    buffer = ReplayBuffer(2, 4, 2, 1, return_discount=0.5)
    everything = torch.arange(4).expand(1, 2, 4)
    for number in (7, 8, 1, 2, 3):  # the ring has gone round
        buffer.add(transition(number))
        assert torch.isneginf(buffer.gather(everything).discounted_returns_to_go).all()
    buffer.end_episode(0, 3, terminated=True)
    buffer.end_episode(1, 3, terminated=False)
    restored = ReplayBuffer(2, 4, 2, 1, return_discount=0.5)
    restored.load_state_dict(buffer.state_dict())
    for one in (buffer, restored):
        seen = one.gather(everything).discounted_returns_to_go[0]
        assert seen[0].tolist() == [3, -torch.inf, 2.75, 3.5]
        assert seen[1].tolist() == [-6, -torch.inf, -3.5, -5]
    buffer.add(transition(4))
    assert torch.isneginf(buffer.gather(everything).discounted_returns_to_go[0, :, 1]).all()


def test_without_a_discount_an_episode_that_was_cut_off_has_no_return():
    buffer = ReplayBuffer(1, 4, 2, 1, return_discount=1.0)
    column = buffer.columns.discounted_returns_to_go
    for _ in range(2):
        buffer.add(Batch(*(c[:1] for c in transition(2)[:5])))
    buffer.end_episode(0, 2, terminated=False)
    assert torch.isneginf(column).all()
    buffer.end_episode(0, 2, terminated=True)
    assert column[0, :2].tolist() == [4, 2]


def test_a_state_of_other_sizes_is_refused():
    state = ReplayBuffer(2, 4, 2, 1).state_dict() | {"added": 2}
    with pytest.raises(ValueError, match="observations of another shape"):
        ReplayBuffer(2, 4, 2, 1).load_state_dict(state)


def module(buffer: ReplayBuffer, seeds: list[int], schedule: Schedule) -> MixedDataModule:
    return MixedDataModule(
        encoded([5, 7, 3]),
        schedule,
        buffer,
        lambda steps: None,
        seeds=seeds,
        batch_size=8,
        chunk=5,
        needs=Needs(bootstrap=2),
    )


def test_batches_hold_old_data_first_and_then_each_members_own():
    schedule = Schedule(4, 4, 12, 4, 1, (0.5, 0.25))
    buffer = ReplayBuffer(2, 12, 2, 1)
    for number in range(1000, 1012):
        buffer.add(transition(number))
    data = module(buffer, [0, 1], schedule)
    assert data.num_updates == 4 + 8
    before = data.batches(0, 4)
    assert before.rewards.abs().max() < 1000
    for first in (4, 8):
        batch = data.batches(first, 4)
        parts = schedule.offline_part(torch.arange(first, first + 4), 8)
        taken = schedule.steps_before(first)
        for i, part in enumerate(parts.tolist()):
            assert batch.rewards[i, :, :part].abs().max() < 1000
            for k, sign in ((0, 1), (1, -1)):
                new = sign * batch.rewards[i, k, part:]
                assert new.min() >= 1000 and new.max() < 1000 + taken
                assert torch.equal(batch.observations[i, k, part:, 0], sign * new)
            assert (batch.bootstrap[i, :, part:] == 1).all()
    weights = data.batches(0, 4).bootstrap
    assert weights.shape == (4, 2, 8, 2) and len(weights.unique()) > 2


def test_a_batch_is_a_function_of_seed_and_update():
    schedule = Schedule(0, 4, 12, 4, 1, (0.5, 0.25))
    buffers = ReplayBuffer(2, 12, 2, 1), ReplayBuffer(1, 12, 2, 1)
    for number in range(12):
        both = transition(number)
        buffers[0].add(both)
        buffers[1].add(both.each(lambda x: x[1:]))
    together = module(buffers[0], [5, 6], schedule).batches(0, 4)
    alone = module(buffers[1], [6], schedule)
    for u in range(4):
        one = alone.batches(u, 1)
        for a, b in zip(together, one, strict=True):
            if a is not None:
                assert torch.equal(a[u, 1:], b[0])
