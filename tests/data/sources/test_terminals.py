"""Time limits that are recorded as terminals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.opening import open_source
from ivr.data.prepare import time_limits
from ivr.data.sources.terminals import suspected
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from tests.data.dataset_making import encoded
from tests.data.loading import load_dataset
from tests.data.sources.arrays.arrays_making import encoded_arrays, write_arrays
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari

FALLS = [Made(5, "terminal"), Made(2, "terminal"), Made(5, "terminal"), Made(4, "timeout")]


def written(tmp_path, source, next_observations=True):
    if source == "d4rl_hdf5":
        columns = encoded_columns(FALLS)
        columns["next_observations"] = columns["next_observations"] if next_observations else None
        return write_d4rl(tmp_path / "a.hdf5", columns)
    if source == "arrays":
        arrays = encoded_arrays(FALLS) | {"episode": None}
        arrays["next_observations"] = arrays["next_observations"] if next_observations else None
        return write_arrays(tmp_path / "a", arrays)
    episodes = encoded_episodes([made.steps for made in FALLS])
    for episode, made in zip(episodes, FALLS, strict=True):
        episode["terminations"][-1] = made.end == "terminal"
        episode["truncations"][-1] = made.end == "timeout"
    return write_minari(tmp_path / "a", episodes)


def load(tmp_path, source, **keys):
    path = written(tmp_path, source, keys.pop("next_observations", True))
    bounds = {"action_low": -9, "action_high": 9} if source == "arrays" else {}
    keys |= {"name": "x", "source": source, "view": "flat", "path": str(path), **bounds}
    return load_dataset(cache=tmp_path / "cache", **keys)


@pytest.mark.parametrize("source", ["d4rl_hdf5", "arrays", "minari"])
def test_terminals_are_read_as_they_are_asked_to_be(tmp_path, source):
    def ends(name, **keys):
        (tmp_path / name).mkdir()
        data = load(tmp_path / name, source, **keys)
        found = (data.terminated, data.truncated)
        return [marks.nonzero().flatten().tolist() for marks in found], data.num_transitions

    # The last rows of the episodes are 4, 6, 11 and 15; those of 5 steps reach the limit.
    assert ends("recorded") == ([[4, 6, 11], [15]], 16)
    assert ends("all", terminals="as_timeouts") == ([[], [4, 6, 11, 15]], 16)
    limited = {"terminals": "as_timeouts_at_limit", "max_episode_steps": 5}
    assert ends("limit", **limited) == ([[6], [4, 11, 15]], 16)


@pytest.mark.parametrize("source", ["d4rl_hdf5", "arrays"])
def test_what_came_after_a_time_out_is_unknown_and_its_row_left_out(tmp_path, source):
    data = load(tmp_path, source, next_observations=False, terminals="as_timeouts")
    assert data.num_transitions == 16 - 4 and not data.terminated.any()
    assert data.observations[:, 1].tolist() == [*range(5), *range(2), *range(5), *range(4)]


def test_terminals_mark_the_time_outs_of_a_file_that_marks_no_others(tmp_path):
    columns = encoded_columns(FALLS[:3]) | {"next_observations": None, "timeouts": None}
    keys = {"name": "x", "source": "d4rl_hdf5", "view": "flat", "cache": tmp_path}
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with pytest.raises(UserError, match=r"dataset\.max_episode_steps"):
        load_dataset(path=path, **keys)
    assert load_dataset(path=path, terminals="as_timeouts", **keys).info.episodes == 3
    # Steps are taken out for the certificate in the same way.
    spec = DataSpec(name="x", source="d4rl_hdf5", path=str(path), terminals="as_timeouts")
    assert len(open_source(spec).sample([0.0], 4).actions) == 4


def test_one_file_read_in_two_ways_has_two_caches(tmp_path):
    as_recorded = load(tmp_path, "minari")
    path = str(tmp_path / "a")
    keys = {"name": "x", "source": "minari", "view": "flat", "path": path}
    others = load_dataset(cache=tmp_path / "cache", terminals="as_timeouts", **keys)
    assert as_recorded.info.fingerprint != others.info.fingerprint
    again = load_dataset(cache=tmp_path / "cache", **keys)
    assert again.info.fingerprint == as_recorded.info.fingerprint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"terminals": "as_timeout"}, "dataset.terminals=as_timeout: there is as_recorded, "),
        ({"terminals": "as_timeouts_at_limit"}, "set dataset.max_episode_steps"),
        ({"terminals": "as_timeouts", "maze": "umaze", "maze_scale": 1.0}, "ends are recomputed"),
    ],
)
def test_a_choice_that_has_no_meaning_is_refused(tmp_path, words, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, "minari", **words)


@pytest.mark.parametrize(
    ("lengths", "ended", "limit", "cure"),
    [
        # One common length.
        ([5, 5, 5, 5], [1, 1, 1, 1], None, "as_timeouts,"),
        ([5, 5, 5, 5], [1, 1, 1, 0], None, None),
        ([1, 1, 1, 1], [1, 1, 1, 1], None, None),
        ([5, 5], [1, 1], None, None),
        # Half of them fall before.
        ([5, 5, 5, 3, 2], [1, 1, 1, 1, 1], None, "at_limit dataset.max_episode_steps=5,"),
        ([5, 5, 5, 3, 2, 1, 1], [1] * 7, None, None),
        # The environment says what the limit is.
        ([9, 5, 5, 5, 2, 1, 1], [1] * 7, 5, "at_limit dataset.max_episode_steps=5,"),
        ([9, 5, 5, 5, 2, 1, 1], [1, 1, 1, 0, 1, 1, 1], 5, None),
        ([5, 5, 5, 2, 2], [1, 1, 1, 0, 0], 5, "as_timeouts,"),
        ([5, 5], [1, 1], 5, "as_timeouts,"),
        ([5], [1], 5, "as_timeouts,"),
        ([5, 2, 3], [1, 1, 1], 5, None),
        ([], [], 5, None),
    ],
)
def test_what_gives_a_time_limit_away(lengths, ended, limit, cure):
    said = suspected(np.array(lengths, int), np.array(ended, bool), limit)
    assert (said is None) == (cure is None)
    if cure is not None:
        assert f"give dataset.terminals={cure}" in said.replace("as_timeouts_at", "at")


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=12), st.integers(1, 6))
def test_ends_that_are_marked_as_time_outs_are_never_suspected(episodes, limit):
    lengths = np.array([steps for steps, _ in episodes], int)
    terminated = np.array([early and n < limit for n, early in episodes], bool)
    assert suspected(lengths, terminated, limit) is None or (lengths == limit).sum() == 0


def test_the_trainer_looks_at_the_transitions():
    marked = encoded([4, 4, 4], [True, True, True])
    said = time_limits(marked, None)
    assert said is not None and said.startswith("3 of 3 episodes are terminated after exactly 4")
    assert time_limits(encoded([4, 4, 4]), 4) is None
    # Ends that were recomputed for a goal are no time limits.
    assert time_limits(encoded([4, 4, 4], [True] * 3, goal=(0.0, 0.0)), 4) is None
