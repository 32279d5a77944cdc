import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.cache.rewards import REWARDS, RewardTransform
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import maze_episode, write_minari

ONES = np.array([0.0, 1.0, -2.0], np.float32)
RETURNS = np.array([3.0, -1.0])


def test_what_each_word_makes_of_rewards():
    made = {name: RewardTransform(name)(ONES, RETURNS).tolist() for name in REWARDS}
    assert made == {
        "none": [0, 1, -2],
        "minus_one": [-1, 0, -3],
        # 1000 / (3 - -1) = 250.
        "return_range": [0, 250, -500],
        "scale_shift": [0, 1, -2],
    }
    assert RewardTransform("scale_shift", 10.0, -5.0)(ONES, RETURNS).tolist() == [-5, 5, -25]
    for name in REWARDS:
        assert RewardTransform(name)(ONES, RETURNS).dtype == np.float32


@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5), min_size=2))
def test_return_range_makes_the_best_trajectory_a_thousand_better_than_the_worst(trajectories):
    returns = np.array([np.sum(rewards, dtype=np.float64) for rewards in trajectories])
    if np.ptp(returns) < 1e-3:
        return
    rewards = np.concatenate([np.array(rewards, np.float32) for rewards in trajectories])
    scaled = RewardTransform("return_range")(rewards, returns).astype(np.float64)
    ends = np.cumsum([len(rewards) for rewards in trajectories])
    again = [part.sum() for part in np.split(scaled, ends[:-1])]
    tolerance = 1e-6 * np.abs(scaled).sum()  # of sums of float32
    assert max(again) - min(again) == pytest.approx(1000, abs=tolerance + 1e-3)


def test_a_factor_of_zero_is_refused():
    with pytest.raises(UserError, match=r"dataset\.reward_scale=0 makes all rewards equal"):
        RewardTransform("scale_shift", 0.0, 1.0)


def test_equal_returns_have_no_range():
    with pytest.raises(UserError, match=r"all 3 episodes have a return of 7.*scale_shift"):
        RewardTransform("return_range")(ONES, np.full(3, 7.0))


@pytest.mark.parametrize("name", ["none", "minus_one", "return_range"])
def test_numbers_that_do_nothing_are_refused(name):
    for numbers in ((2.0, 0.0), (1.0, -1.0)):
        with pytest.raises(UserError, match=rf"do nothing with dataset\.reward={name}"):
            RewardTransform(name, *numbers)


def test_episode_returns_stay_those_before_the_transform(tmp_path):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(3, "timeout"), Made(2, "cut")]))
    options = {"name": "x", "source": "d4rl_hdf5", "path": path, "view": "flat", "progress": False}
    for reward, rewards in {
        "minus_one": [-1, 0, 1, 99, 100],
        # Returns 0 + 1 + 2 and 100 + 101: a range of 198.
        "return_range": [1000 / 198 * r for r in (0, 1, 2, 100, 101)],
    }.items():
        data = load_dataset(**options, reward=reward, cache=tmp_path / reward)
        assert data.rewards.tolist() == pytest.approx(rewards)
        assert data.episode_returns.tolist() == [3, 201]
        recorded = (data.rewards.double() - data.info.reward_shift) / data.info.reward_scale
        assert recorded.tolist() == pytest.approx([0, 1, 2, 100, 101])
    options |= {"reward": "scale_shift", "reward_scale": 2.0, "cache": tmp_path}
    assert load_dataset(**options).rewards.tolist() == [0, 2, 4, 200, 202]
    assert load_dataset(**options, reward_shift=1.0).rewards.tolist() == [1, 3, 5, 201, 203]


def test_a_relabelled_set_is_scaled_by_its_relabelled_returns(tmp_path):
    episodes = [
        maze_episode([[0, 0], [1, 0], [2, 0]], desired_goal=(2.0, 0.0)),
        maze_episode([[0, 0], [1, 0]], desired_goal=(9.0, 9.0)),
    ]
    data = load_dataset(
        name="x",
        path=write_minari(tmp_path / "made", episodes, maze_map=[[1, 0, 1]]),
        view="goal_conditioned",
        reward="return_range",
        cache=tmp_path,
        progress=False,
    )
    assert data.rewards.tolist() == [0, 1000, 0] and data.episode_returns.tolist() == [1, 0]
