import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.cache.relabel import relabel

GOAL = np.array([10.0, 0.0])


def _on_a_line(*distances: float) -> np.ndarray:
    return GOAL + np.array([[d, 0.0] for d in distances])


@pytest.mark.parametrize(
    ("distances", "rewards"),
    [
        ((3, 2, 1), [0, 0]),  # never there
        ((3, 0.5, 0.1, 3), [1]),  # the radius counts as there; the rest is cut
        ((3, 2, 0.4), [0, 1]),  # on the last step
        ((0.1, 0.3, 2), [1]),  # begins there, and still is after a step
        ((0.1, 2, 3, 0.2, 5), [0, 0, 1]),  # begins there and leaves at once
        ((3,), []),  # no step at all
    ],
)
def test_first_success_ends_the_episode(distances, rewards):
    result = relabel(_on_a_line(*distances), GOAL)
    assert result.steps == len(rewards)
    assert result.rewards.tolist() == rewards
    assert result.terminated.tolist() == [reward == 1 for reward in rewards]


def test_each_observation_may_have_its_own_goal():
    positions = _on_a_line(3, 2, 1, 0)
    goals = np.stack([GOAL, GOAL, positions[2], GOAL])
    assert relabel(positions, goals).rewards.tolist() == [0, 1]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=12))
def test_reward_and_end_fall_together_and_only_last(distances):
    result = relabel(_on_a_line(*distances), GOAL)
    assert len(result.rewards) == len(result.terminated) == result.steps
    assert not result.terminated[:-1].any()
    inside = np.array(distances)[1 : result.steps + 1] <= 0.5
    assert not inside[:-1].any()
    if result.steps:
        assert result.terminated[-1] == inside[-1] == (result.rewards[-1] == 1)
    if result.steps < len(distances) - 1:
        assert result.terminated[-1]
