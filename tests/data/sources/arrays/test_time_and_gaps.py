"""Rows out of order, gaps and missing values in one's own tables: what is done is said."""

import datetime
import warnings

import numpy as np
import pytest

import ivr
from ivr.data.sources.arrays.files import find_arrays
from ivr.data.sources.arrays.mapping import ColumnMap
from ivr.data.sources.arrays.source import ArraysSource
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.arrays.arrays_making import write_table

_HOURS = ["2024-03-01 00:00:00", "2024-03-01 01:00:00", "2024-03-01 02:00:00"]
_DAY = ["2024-03-02 00:00:00", "2024-03-02 09:00:00", "2024-03-02 10:00:00"]
_LOG = {
    "at": _HOURS + _DAY,
    "day": ["a"] * 3 + ["b"] * 3,
    "s": [0.0, 1, 2, 3, 4, 5],
    "u": [0.0, 0.5, 1, 0, 0.5, 1],
    "r": [0.0, 1, 2, 3, 4, 5],
}
_COLUMNS = {"observations": "s", "actions": "u", "reward": "r", "episode": "day"}


def _source(path, log, kind="csv", missing="refuse", **columns):
    file = write_table(path / "log", log, kind)
    columns = ColumnMap.parse(_COLUMNS | columns)
    return ArraysSource(find_arrays(file), 0, 1, columns=columns, missing=missing)


def _shuffled(order):
    return {name: [values[i] for i in order] for name, values in _LOG.items()}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_are_sorted_by_time_within_episodes(tmp_path, kind):
    # Episode b first, and both interleaved.
    source = _source(tmp_path, _shuffled([5, 1, 3, 0, 4, 2]), kind, time="at")
    first, second = source.episodes()
    assert first.observations["observation"][:, 0].tolist() == [3, 4, 5][: len(first.actions) + 1]
    assert second.rewards.tolist() == [0, 1]
    said = " ".join(source.notes)
    assert "2 of 6 rows were earlier by at than the row before them in their episode" in said
    assert "1 gap in at: a step is usually 60 min and the longest is 9 h" in said


def test_numbers_are_times_too_and_repeats_are_said(tmp_path):
    log = _LOG | {"at": [2.0, 1, 1, 0, 1, 2]}
    source = _source(tmp_path, log, time="at")
    first, _ = source.episodes()
    # Equal times keep the order of their rows: 1 and 2 before 0.
    assert first.observations["observation"][:, 0].tolist() == [1, 2, 0]
    assert any("1 row of an episode with the at of the row before" in note for note in source.notes)


def test_an_order_is_offered_where_a_column_looks_like_the_time(tmp_path):
    log = {("timestamp" if name == "at" else name): v for name, v in _LOG.items()}
    assert not any("not in order" in note for note in _source(tmp_path, log).notes)
    log["timestamp"] = [*_HOURS[::-1], *_DAY]
    (said,) = (note for note in _source(tmp_path, log).notes if "not in order" in note)
    assert "row 1 is earlier" in said and "dataset.columns.time=timestamp sorts them" in said


_MARKED = {name: values for name, values in _LOG.items() if name != "day"} | {
    "truncated": [0, 0, 1, 0, 0, 1]
}


def _marked(path, log, **columns):
    """Episodes that marks of ends separate."""
    file = write_table(path / "log", log, "csv")
    given = {name: column for name, column in _COLUMNS.items() if name != "episode"}
    return ArraysSource(find_arrays(file), 0, 1, columns=ColumnMap.parse(given | columns))


def test_a_clock_that_starts_again_with_each_marked_episode_mixes_none(tmp_path):
    log = {("t" if name == "at" else name): v for name, v in _MARKED.items()}
    log["t"] = [0, 1, 2, 0, 1, 2]
    assert not any("not in order" in note for note in _marked(tmp_path, log).notes)
    first, second = _marked(tmp_path, log, time="t").episodes()
    assert first.rewards.tolist() == [0, 1] and second.rewards.tolist() == [3, 4]


def test_marks_move_with_their_rows_where_one_clock_orders_all(tmp_path):
    order = [5, 1, 3, 0, 4, 2]
    log = {name: [values[i] for i in order] for name, values in _MARKED.items()}
    first, second = _marked(tmp_path, log, time="at").episodes()
    assert first.rewards.tolist() == [0, 1] and second.rewards.tolist() == [3, 4]
    # With a clock that starts again nobody can tell which of two rows at 0 is whose.
    log["at"] = [i % 3 for i in order]
    with pytest.raises(
        UserError, match=r"several have at 0, .* name the column .*columns\.episode"
    ):
        _ = _marked(tmp_path, log, time="at").boxes


def test_times_of_nanoseconds_are_times(tmp_path):
    at = np.datetime64("2024-03-01T12:00:00.123456789") + np.arange(6)[::-1]
    first, _ = _source(tmp_path, _LOG | {"at": at}, "parquet", time="at").episodes()
    assert first.rewards.tolist() == [2, 1]


def test_an_array_of_texts_is_no_time(tmp_path):
    np.savez(tmp_path / "log.npz", **_LOG)
    columns = ColumnMap.parse(_COLUMNS | {"time": "at"})
    source = ArraysSource(find_arrays(tmp_path / "log.npz"), 0, 1, columns=columns)
    with pytest.raises(UserError, match=r"at holds <U19, and no times that can be ordered"):
        _ = source.boxes


def test_what_a_table_gives_away_is_said(tmp_path):
    switch = _LOG | {"u": [0.0, 1, 1, 0, 0, 1]}
    notes = " ".join(_source(tmp_path, switch).notes)
    assert "s is the reward in every row" in notes and "u: two values alone" in notes
    other = _LOG | {"s": [7.0, *_LOG["s"][1:]]}
    notes = " ".join(_source(tmp_path, other).notes)
    assert "is the reward" not in notes and "two values" not in notes


def test_another_column_taken_for_the_episode_is_said(tmp_path):
    path = write_table(tmp_path / "log", _LOG | {"day": ["a", "a", "b", "b", "c", "c"]}, "csv")
    keys = {"name": "x", "source": "arrays", "path": path, "view": "flat", "cache": tmp_path}
    with pytest.warns(UserWarning, match=r"3 of 6 rows are the last ones of 3 episodes or more"):
        load_dataset(**keys, columns=_COLUMNS, action_low=-1, action_high=2)


@pytest.mark.parametrize("day", [["a", "a", "", "b", "b", "b"], ["1", "1", " ", "2", "2", "2"]])
def test_an_episode_without_a_name_is_refused(tmp_path, day):
    with pytest.raises(UserError, match="row 2: day is empty"):
        list(_source(tmp_path, _LOG | {"day": day}).episodes())


def test_an_episode_of_two_arrays_lacks_neither(tmp_path):
    site = [1.0, 1, np.nan, 2, 2, 2]
    np.savez(tmp_path / "log.npz", **_LOG, site=site)
    columns = ColumnMap.parse(_COLUMNS | {"episode": ["site", "day"]})
    source = ArraysSource(find_arrays(tmp_path / "log.npz"), 0, 1, columns=columns)
    with pytest.raises(UserError, match="row 2: site is missing"):
        _ = source.boxes


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ([1.0, None, 3, 4, 5, 6], "row 1: at is missing, so the row has no place in time"),
        (["noon", "one", "two", "x", "y", "z"], "at holds string, and no times that can be orde"),
    ],
)
def test_times_that_order_nothing(tmp_path, at, says):
    with pytest.raises(UserError, match=says):
        list(_source(tmp_path, _LOG | {"at": at}, time="at").episodes())


_HOLES = _LOG | {"s": [0.0, None, 2, None, 4, 5], "u": [0.0, 0.5, 1, 0, None, 1]}


def test_missing_values_are_refused_with_the_options(tmp_path):
    source = _source(tmp_path, _HOLES)
    with pytest.raises(UserError, match=r"nan in s, .*dataset\.missing=drop_episode leaves out"):
        list(source.episodes())
    assert "missing values: s in 2, u in 1 of 6 rows" in " ".join(source.notes)


def test_the_value_of_the_row_before_never_crosses_an_episode(tmp_path):
    source = _source(tmp_path, _HOLES, missing="previous")
    (first,) = source.episodes()  # in b no row before the first has s
    assert first.observations["observation"][:, 0].tolist() == [0, 0, 2]
    said = " ".join(source.notes)
    assert "2 missing values taken from the row before" in said
    assert "1 of 2 episodes are left out" in said and "episode 1, row 3" in said


def test_a_missing_reward_is_not_paid_twice(tmp_path):
    log = _LOG | {"r": [0.0, None, 2, 3, 4, 5]}
    (only,) = _source(tmp_path, log, missing="previous").episodes()
    assert only.rewards.tolist() == [3, 4]


@pytest.mark.parametrize("marks", [{}, {"truncated": [0, 0, 1, 0, 0, 1]}])
def test_next_observations_that_are_missing_are_the_next_rows_or_unknown(tmp_path, marks):
    """As by log.groupby("day").s.shift(-1), with a hole in s that its neighbour's next tells."""
    log = _LOG | {"s": [0.0, None, 2, 3, 4, 5], "next": [1.0, 2, None, 4, None, None]} | marks
    columns = {"next_observations": "next"}
    source = _source(tmp_path, log, missing="previous", **columns)
    first, second = source.episodes()
    assert first.observations["observation"][:, 0].tolist() == [0, 0, 2]
    assert second.observations["observation"][:, 0].tolist() == [3, 4, 5]
    assert (first.rewards.tolist(), second.rewards.tolist()) == ([0, 1], [3, 4])
    assert "the last rows of 2 episodes are left out" in " ".join(source.notes)
    assert not first.terminations.any() and not second.terminations.any()
    # Where the task itself ended, nothing that follows counts, and the row stays.
    log["terminated"] = [0, 0, 0, 0, 0, 1]
    _, second = _source(tmp_path, log, missing="previous", **columns).episodes()
    assert second.rewards.tolist() == [3, 4, 5] and second.terminations.tolist() == [0, 0, 1]


def test_episodes_with_missing_values_are_left_out(tmp_path):
    log = _LOG | {"s": [0.0, 1, 2, 3, None, 5]}
    (first,) = _source(tmp_path, log, missing="drop_episode").episodes()
    assert first.rewards.tolist() == [0, 1]
    with pytest.raises(UserError, match="every one of its 2 episodes has a missing value"):
        _ = _source(tmp_path, _HOLES, missing="drop_episode").boxes


def test_categories_come_with_a_recipe(tmp_path):
    source = _source(tmp_path, _LOG | {"s": ["auto", "off", "on", "on", "on", "off"]})
    with pytest.raises(UserError, match=r"s holds string, .*'auto'.*pandas\.get_dummies\(log, col"):
        list(source.episodes())


def test_actions_are_clipped_where_that_is_asked_for(tmp_path):
    path = write_table(tmp_path / "log", _LOG, "csv")
    keys = {"name": "x", "source": "arrays", "path": path, "columns": _COLUMNS, "view": "flat"}
    bounds = {"action_low": 0, "action_high": 0.25, "cache": tmp_path / "cache"}
    with pytest.raises(UserError, match=r"u is 0\.5, outside its bounds 0 to 0\.25.*actions=clip"):
        load_dataset(**keys, **bounds)
    with pytest.warns(UserWarning, match=r"2 of 4 actions .* u in 2 \(0 to 0\.5, bounds 0 to"):
        data = load_dataset(**keys, **bounds, actions="clip")
    assert np.allclose(data.actions[:, 0], [-1, 1, -1, 1], atol=1e-4)
    with pytest.raises(UserError, match=r"u is 0\.5, outside its bounds"):
        load_dataset(**keys, **bounds)  # the converted data with clipped ones are others


def test_a_column_of_dates_is_one_of_time_whatever_its_name(tmp_path):
    """Newest first, and under a name that is none of the usual ones."""
    backwards = _shuffled([2, 1, 0, 5, 4, 3])
    backwards["at_utc_time"] = backwards.pop("at")
    (said,) = (note for note in _source(tmp_path, backwards).notes if "not in order" in note)
    assert "at_utc_time is not in order" in said
    numbers = {("lead_time" if k == "at" else k): v for k, v in _LOG.items()}
    notes = _source(tmp_path, numbers | {"lead_time": [3, 2, 1, 3, 2, 1]}).notes
    assert not any("not in order" in note for note in notes)


def test_a_time_of_day_that_passes_midnight_is_said(tmp_path):
    clock = [datetime.time(hour) for hour in (22, 23, 0, 1, 2, 3)]
    seconds = [datetime.timedelta(seconds=i) for i in (0, 2, 1, 3, 5, 4)]
    for times, expected in ((clock, True), (seconds, False)):
        source = _source(tmp_path, _LOG | {"at": times, "day": ["a"] * 6}, "parquet", time="at")
        (episode,) = source.episodes()
        order = np.argsort(np.array(times))[:6]
        assert episode.observations["observation"][:5, 0].tolist() == order[:5].tolist()
        assert any("passes midnight" in note for note in source.notes) == expected


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_names_of_episodes_are_no_numbers(tmp_path, kind):
    for names in (["3.1"] * 3 + ["3.10"] * 3, ["1E2"] * 3 + ["100"] * 3, ["1"] * 3 + ["01"] * 3):
        assert len(list(_source(tmp_path, _LOG | {"day": names}, kind).episodes())) == 2
    for names in (["NA"] * 3 + ["DE"] * 3, ["1", "1.0", "1", "2.0", "2", "2"]):
        assert len(list(_source(tmp_path, _LOG | {"day": names}, kind).episodes())) == 2
    numbers = _LOG | {"day": [1.0] * 3 + [2.0] * 3}
    source = _source(tmp_path, numbers, kind, observations=["s", "day"])
    assert [x.observations["observation"][0, 1] for x in source.episodes()] == [1, 2]
    with pytest.raises(UserError, match="row 2: day is empty"):
        list(_source(tmp_path, _LOG | {"day": ["a", "a", " ", "b", "b", "b"]}).episodes())


def test_the_index_that_pandas_writes_matches_no_wildcard(tmp_path):
    log = {"": list(range(6)), **{k: v for k, v in _LOG.items() if k != "at"}}
    episode, _ = _source(tmp_path, log, observations=["*"], actions="u").episodes()
    assert episode.observations["observation"].tolist() == [[0], [1], [2]]


def test_a_reward_in_the_rows_that_are_left_out_is_said(tmp_path):
    log = _LOG | {"r": [0.0, 0, 5, 0, 0, 7]}
    options = {f"columns.{key}": value for key, value in _COLUMNS.items()}
    for rewards, expected in ((log["r"], True), (_LOG["r"], False)):
        file = write_table(tmp_path / f"{expected}", log | {"r": rewards}, "csv")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ivr.load_dataset(path=file, **options)
        said = [str(one.message) for one in caught]
        assert any("most of the reward stands in the 2 rows" in one for one in said) == expected


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([1.0, 2, 3, 4, 5, 6], True),  # shift(-1), without groupby
        ([1.0, 9, 3, 9, 5, 9], False),
        ([1.0, float("nan"), 3, float("nan"), 5, float("nan")], False),
    ],
)
def test_next_observations_across_every_end_are_said(tmp_path, after, said):
    log = _LOG | {"s2": after, "day": ["a", "a", "b", "b", "c", "c"]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        source = _source(tmp_path, log, missing="previous", next_observations="s2")
        assert len(list(source.episodes())) == 3
    found = [str(one.message) for one in caught]
    assert any("is the first observation of the next episode" in one for one in found) == said


def test_numbers_that_single_precision_cannot_tell_apart_are_said(tmp_path):
    """A counter of seconds since 1970 is one number to a network, and 0.5 steps of it are none."""
    log = _LOG | {"s": [1_717_200_000 + 0.5 * i for i in range(6)]}
    options = {f"columns.{key}": value for key, value in _COLUMNS.items()}
    with pytest.warns(UserWarning, match=r"s lies between 1717200000 and .*subtract 1717200000"):
        ivr.load_dataset(path=write_table(tmp_path / "a", log, "csv"), **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ivr.load_dataset(path=write_table(tmp_path / "b", _LOG, "csv"), **options)
        residue = _LOG | {"s": [0.3, 0.1 + 0.2] * 3}
        ivr.load_dataset(path=write_table(tmp_path / "c", residue, "csv"), **options)
    assert not any("single precision" in str(one.message) for one in caught)


def test_what_makes_numbers_of_durations_and_of_two_words_is_said(tmp_path):
    seconds = [datetime.timedelta(seconds=i) for i in range(6)]
    with pytest.raises(UserError, match=r"log\['s'\]\.dt\.total_seconds\(\)"):
        list(_source(tmp_path, _LOG | {"s": seconds}, "parquet").episodes())
    with pytest.raises(UserError, match=r"log\['s'\] = log\['s'\] == 'yes'"):
        list(_source(tmp_path, _LOG | {"s": ["yes", "no"] * 3}).episodes())
