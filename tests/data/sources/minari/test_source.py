import warnings

import h5py
import numpy as np
import pytest

from ivr.data.sources.defects import UNREADABLE
from ivr.data.sources.minari.source import MinariSource
from ivr.errors import UserError
from tests.data.sources.minari.minari_making import encoded_episodes, maze_episode, write_minari


@pytest.mark.parametrize("key", ["observations", "actions", "rewards"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_named_by_episode_and_step(tmp_path, key, value):
    episodes = encoded_episodes([3, 4, 5])
    episodes[1][key][2] = value
    source = MinariSource(write_minari(tmp_path / "made", episodes))
    with pytest.raises(UserError, match=f"episode 1, step 2: {key[:-1]}.*{value}"):
        list(source.episodes())


@pytest.mark.parametrize("key", ["terminations", "truncations"])
@pytest.mark.parametrize("value", [-1, 0.3, 2, np.nan])
def test_marks_of_ends_are_0_or_1(tmp_path, key, value):
    episodes = encoded_episodes([3, 4])
    episodes[1][key] = np.array([0, 0, value, 1.0])
    source = MinariSource(write_minari(tmp_path / "made", episodes))
    with pytest.raises(UserError, match=f"episode 1, step 2: {key} is {value}.*must be 0 or 1"):
        list(source.episodes())


def test_marks_may_be_numbers(tmp_path):
    episodes = encoded_episodes([3])
    episodes[0]["terminations"] = np.array([0, 0, 1.0])
    (episode,) = MinariSource(write_minari(tmp_path / "made", episodes)).episodes()
    assert episode.terminations.astype(bool).tolist() == [False, False, True]


def test_the_last_observation_is_checked_too(tmp_path):
    episode = maze_episode([[0, 0], [1, 0], [np.nan, 0]])
    source = MinariSource(write_minari(tmp_path / "made", [episode]))
    with pytest.raises(UserError, match=r"episode 0, step 2: observation 'achieved_goal'"):
        list(source.episodes())


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("observations", "4 observations .observation. for 4 actions.*T . 1"),
        ("rewards", "rewards have shape \\(3,\\)"),
        ("terminations", "terminations have shape \\(3,\\)"),
        ("truncations", "truncations have shape \\(3,\\)"),
    ],
)
def test_lengths_that_break_the_format(tmp_path, key, says):
    episodes = encoded_episodes([3, 4])
    episodes[1][key] = episodes[1][key][:-1]
    source = MinariSource(write_minari(tmp_path / "made", episodes))
    with pytest.raises(UserError, match=f"episode 1: {says}"):
        list(source.episodes())


@pytest.mark.parametrize("key", ["observations", "actions", "rewards", "truncations"])
@pytest.mark.parametrize("dtype", ["S8", complex])
def test_what_is_not_numbers(tmp_path, key, dtype):
    episodes = encoded_episodes([3, 4])
    episodes[1][key] = episodes[1][key].astype(dtype)
    source = MinariSource(write_minari(tmp_path / "made", episodes))
    says = rf"episode 1: {key}.* hold (\|S8|complex128); they should hold numbers"
    with pytest.raises(UserError, match=says):
        list(source.episodes())


def test_a_file_that_is_cut_short(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([200] * 20))
    file = path / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError, match=r"episode 0: cannot be read.*cut short"):
        list(MinariSource(path).episodes())


@pytest.mark.parametrize("total", [0, 1, 3, 10**15])
def test_other_episodes_than_announced(tmp_path, total):
    path = write_minari(tmp_path / "made", encoded_episodes([2, 2]), total_episodes=total)
    says = rf"metadata\.json: total_episodes is {total:,}, and the data hold 2 .* from 0 to 1"
    with pytest.raises(UserError, match=says):
        list(MinariSource(path).episodes())


def test_an_episode_that_is_missing_among_others(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([2, 2, 3]), total_episodes=2)
    with h5py.File(path / "data" / "main_data.hdf5", "r+") as file:
        del file["episode_1"]
    with pytest.raises(UserError, match=r"total_episodes is 2, .* hold 2 .* from 0 to 2"):
        list(MinariSource(path).episodes())
    found = []
    episodes = list(MinariSource(path).episodes(found.append))
    assert [len(one.actions) for one in episodes] == [2, 3]
    assert [str(one.at(0)) for one in found if one.count and one.kind == UNREADABLE] != []


@pytest.mark.parametrize(("total", "told"), [(4, 0), (5, 1), (0, 1)])
def test_other_steps_than_announced_are_told(tmp_path, total, told):
    path = write_minari(tmp_path / "made", encoded_episodes([1, 3]), total_steps=total)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(list(MinariSource(path).episodes())) == 2
    assert len(caught) == told
    assert all(f"total_steps is {total}, and the" in str(one.message) for one in caught)


def test_actions_must_be_bounded(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([2]), bounds=(-1.0, float("inf")))
    with pytest.raises(UserError, match="action bounds"):
        MinariSource(path)


def test_no_steps_can_be_taken_where_none_are_readable(tmp_path):
    empty = MinariSource(write_minari(tmp_path / "empty", []))
    with pytest.raises(UserError, match="no step whose next observation"):
        empty.sample([0.0, 0.5], 3)
    episodes = encoded_episodes([3])
    episodes[0]["actions"] = 1.0
    scalar = MinariSource(write_minari(tmp_path / "scalar", episodes, total_steps=3))
    with pytest.raises(UserError, match=r"episode 0: cannot be read"):
        scalar.sample([0.0], 3)
