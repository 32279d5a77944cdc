"""Data in memory are the data of the same file."""

from pathlib import Path

import numpy as np
import pytest

import ivr
from ivr.api import own as own_module
from ivr.data.load import cache_folder
from tests.api.api_making import changed, log, own

BOUNDS = {"action_low": 0, "action_high": 100}


def test_arrays_are_the_same_data_as_their_file(tmp_path):
    arrays = log()
    np.savez(tmp_path / "log.npz", **arrays)
    file = ivr.load_dataset(path=tmp_path / "log.npz", **BOUNDS)
    data = own()
    assert data.fingerprint == file.fingerprint and len(data) == 56  # 60 less 4 last rows
    kept = np.setdiff1d(np.arange(60), [11, 23, 35, 47])
    for name in ("observations", "actions", "rewards"):
        found = getattr(data, name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, arrays[name][kept], rtol=1e-5, atol=1e-5)
    assert data.episode.tolist() == arrays["episode"][kept].tolist()
    np.testing.assert_array_equal(data.next_observations[:10], data.observations[1:11])
    assert data.terminated.nonzero()[0].tolist() == [55]
    assert data.truncated.nonzero()[0].tolist() == [10, 21, 32, 43]
    assert "56 transitions, 5 episodes, 3 observations, 1 actions" in repr(data)


def test_they_are_kept_once_or_where_one_says(tmp_path):
    kept = Path(own().options["dataset.path"])
    assert kept.parent == cache_folder(None) / "arrays"
    assert changed().options["dataset.path"] == kept
    other = changed(rewards=log()["rewards"] + 1)
    assert other.options["dataset.path"] != kept and other.fingerprint != own().fingerprint
    named = changed(path=tmp_path / "mine.npz")
    assert (tmp_path / "mine.npz").is_file() and named.fingerprint == own().fingerprint
    with pytest.raises(
        ivr.UserError, match=r"mine.csv: the data are kept in a file that ends in .npz"
    ):
        changed(path=tmp_path / "mine.csv")


def test_what_stood_at_a_path_stands_there_after_an_interruption(tmp_path, monkeypatch):
    def stopped(*given, **more):
        raise KeyboardInterrupt

    path = tmp_path / "mine.npz"
    path.write_bytes(b"another's")
    monkeypatch.setattr(own_module, "load_dataset", stopped)
    with pytest.raises(KeyboardInterrupt):
        changed(path=path)
    monkeypatch.setattr(own_module, "write_whole", stopped)
    with pytest.raises(KeyboardInterrupt):
        changed(path=path)
    assert path.read_bytes() == b"another's" and len(list(tmp_path.iterdir())) == 1


def test_what_stood_at_a_path_stands_there_after_an_error(tmp_path):
    path = tmp_path / "mine.npz"
    for before in (None, b"another's"):
        if before is not None:
            path.write_bytes(before)
        for wrong in ({"nmae": "plant"}, {"rewards": np.full(60, np.nan)}):
            with pytest.raises(ivr.UserError):
                changed(path=path, **wrong)
            assert (path.read_bytes() if path.exists() else None) == before
    changed(path=path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.npz"]
    np.testing.assert_array_equal(np.load(path)["rewards"], log()["rewards"])


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_row_without_a_label_is_in_no_episode(missing):
    labels = np.array([f"day {day}" for day in log()["episode"]], object)
    assert changed(episode=labels).fingerprint == own().fingerprint
    labels[7] = missing
    with pytest.raises(ivr.UserError, match="episode is empty in row 7"):
        changed(episode=labels)


def test_rewards_are_those_that_were_recorded(tmp_path):
    scaled = changed(reward="scale_shift", reward_scale=2.0, reward_shift=-3.0)
    np.testing.assert_allclose(scaled.rewards, own().rewards, rtol=1e-5)
    np.testing.assert_allclose(scaled.content.rewards, 2 * own().rewards - 3, rtol=1e-5)


def test_d4rls_names_are_other_names_of_the_marks():
    arrays = log()
    ends = np.arange(60) % 12 == 11
    del arrays["episode"]
    arrays["terminals"] = arrays.pop("terminated")
    data = ivr.from_arrays(**arrays, timeouts=ends & ~arrays["terminals"], **BOUNDS)
    assert data.fingerprint == own().fingerprint
    with pytest.raises(ivr.UserError, match="terminated and terminals are two names"):
        changed(terminals=arrays["terminals"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": np.zeros(59)}, r"rewards"),
        ({"observations": np.full((60, 3), np.nan)}, "observations"),
        ({"actions": np.full((60, 1), 101.0)}, "101"),
        ({"observations": [[1, 2], [3]]}, "observations is no array of one shape"),
        ({"actions": [None] * 60}, "actions holds objects"),
        ({"episode": None, "terminated": None}, "neither terminated, truncated nor episode"),
    ],
)
def test_data_with_a_defect_are_refused_and_not_kept(change, message):
    folder = cache_folder(None) / "arrays"
    own()
    before = set(folder.iterdir())
    with pytest.raises(ivr.UserError, match=message) as error:
        changed(**change)
    assert set(folder.iterdir()) == before and str(folder) not in str(error.value)


def test_a_name_is_that_of_the_command_line(small_pointmaze):
    data = ivr.load_dataset("pointmaze-umaze")
    assert data.options == {"dataset": "pointmaze-umaze"} and data.observations.shape[1] == 4
    with pytest.raises(ivr.UserError, match="dataset=pointmaze-umaz is unknown: did you mean"):
        ivr.load_dataset("pointmaze-umaz")
    with pytest.raises(ivr.UserError, match=r"unknown key dataset.vew: did you mean"):
        ivr.load_dataset("pointmaze-umaze", vew="flat")
