import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from ivr.data.dataset import OfflineDataset
from ivr.data.sources import columns as columns_module
from ivr.data.sources.columns import Column
from ivr.data.sources.d4rl.source import D4RLSource
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl


def _load(path, cache: Path, **keys) -> OfflineDataset:
    options = {"name": "x", "source": "d4rl_hdf5", "view": "flat", "cache": cache} | keys
    return load_dataset(path=path, **options)


def test_files_follow_each_other(tmp_path):
    first = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(3, "timeout"), Made(2, "cut")]))
    columns = encoded_columns([Made(1, "terminal"), Made(2, "timeout")])
    columns["observations"] += 7
    columns["next_observations"] += 7
    second = write_d4rl(tmp_path / "b.hdf5", columns)
    data = _load([str(first), str(second)], tmp_path)
    batch = data.gather(torch.arange(8))
    assert batch.observations[:, 1].tolist() == [0, 1, 2, 0, 1, 7, 7, 8]
    assert batch.next_observations[:, 1].tolist() == [1, 2, 3, 1, 2, 8, 8, 9]
    assert data.truncated.tolist() == [False, False, True, False, True, False, False, True]
    # Returns of the rows 0+1+2, 100+101, 0, 100+101.
    assert data.episode_returns.tolist() == [3, 201, 0, 201]
    assert data.info.source == f"d4rl_hdf5 a.hdf5 + b.hdf5 at {first}, {second}"
    assert _load([str(second), str(first)], tmp_path).info.fingerprint != data.info.fingerprint


def test_files_of_two_environments_are_not_joined(tmp_path):
    columns = encoded_columns([Made(3, "timeout")])
    paths = [write_d4rl(tmp_path / "a.hdf5", columns)]
    columns["actions"] = np.zeros((3, 5))
    paths.append(write_d4rl(tmp_path / "b.hdf5", columns))
    with pytest.raises(UserError, match=r"b\.hdf5 has .* \(2, 5\) numbers, .*a\.hdf5 has \(2, 2\)"):
        D4RLSource(paths, None)


def test_an_end_that_is_not_marked_is_an_end(tmp_path):
    columns = encoded_columns([Made(30, "timeout"), Made(40, "cut"), Made(30, "timeout")])
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with pytest.warns(UserWarning, match="ends of 1 episode are not marked, the first at row 69"):
        data = _load(path, tmp_path)
    assert data.truncated.nonzero().flatten().tolist() == [29, 69, 99]
    assert data.gather(torch.tensor([69])).next_observations.tolist() == [[1, 40]]


def test_without_any_mark_of_a_time_out_a_limit_is_asked_for(tmp_path):
    columns = encoded_columns([Made(3, "cut")]) | {"timeouts": None, "next_observations": None}
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with pytest.raises(UserError, match=r"neither timeouts nor.*set dataset\.max_episode_steps"):
        _load(path, tmp_path)
    assert _load(path, tmp_path, max_episode_steps=2).num_transitions == 1
    assert _load(path, tmp_path, max_episode_steps=3).num_transitions == 2


def test_terminals_that_mark_every_end_need_a_limit_that_cuts_nothing(tmp_path):
    columns = encoded_columns([Made(3, "terminal"), Made(5, "terminal")])
    columns |= {"timeouts": None, "next_observations": None}
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with pytest.raises(UserError, match=r"or, if terminals marks the end of every .*, to 5, the l"):
        _load(path, tmp_path)
    data = _load(path, tmp_path, max_episode_steps=5)
    assert data.num_transitions == 8 and data.terminated.sum() == 2


def test_a_column_of_one_number_may_have_either_shape(tmp_path):
    columns = encoded_columns([Made(3, "timeout"), Made(5, "terminal")])
    expected = _load(write_d4rl(tmp_path / "a.hdf5", columns), tmp_path)
    for name in ("rewards", "terminals", "timeouts"):
        columns[name] = columns[name][:, None]
    data = _load(write_d4rl(tmp_path / "b.hdf5", columns), tmp_path)
    assert data.info.fingerprint == expected.info.fingerprint


def test_columns_of_other_names_are_to_be_renamed(tmp_path):
    columns = encoded_columns([Made(3, "timeout")])
    columns["obs"], columns["dones"] = columns.pop("observations"), columns.pop("terminals")
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with pytest.raises(UserError, match=r"Rename 'dones' to terminals, if .*'obs' to observations"):
        D4RLSource([path], None)


def test_time_outs_that_are_set_nowhere_count_as_missing(tmp_path):
    columns = encoded_columns([Made(3, "cut"), Made(3, "cut"), Made(2, "terminal")])
    path = write_d4rl(tmp_path / "a.hdf5", columns | {"next_observations": None})
    with pytest.raises(UserError, match=r"timeouts that are 0 every.*dataset\.max_episode_steps"):
        _load(path, tmp_path)
    data = _load(path, tmp_path, max_episode_steps=3)
    # The last row of an episode that is cut has no next observation.
    assert data.rewards.tolist() == [0, 1, 100, 101, 200, 201]
    assert data.info.episodes == 3 and data.terminated.tolist() == [False] * 5 + [True]
    assert _load(path, tmp_path, max_episode_steps=2).info.episodes == 4  # no stale cache


def test_the_limit_of_the_evaluation_changes_nothing_where_time_outs_are_marked(tmp_path):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(9, "timeout")]))
    for limit in (2, 4):
        assert _load(path, tmp_path / "c", max_episode_steps=limit).num_transitions == 9
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_rounding_may_take_an_action_a_little_beyond_its_bounds(tmp_path):
    columns = encoded_columns([Made(3, "timeout")])
    columns["actions"][1] = 1 + 5e-6
    data = _load(write_d4rl(tmp_path / "a.hdf5", columns), tmp_path)
    assert data.actions[1].tolist() == pytest.approx([1 - 1e-5] * 2, abs=1e-7)


def test_rows_are_read_once_and_in_blocks(tmp_path):
    asked = []

    class Stored:
        shape, dtype = (100, 2), np.dtype(np.float32)

        def __getitem__(self, rows):
            asked.append((rows.start, rows.stop))
            return np.repeat(np.arange(100, dtype=np.float32)[rows, None], 2, 1)

    with patch.object(columns_module, "_BLOCK", 60):
        column = Column(tmp_path, "x", Stored(), 2)
    for start in range(0, 90, 3):
        assert column.read(start, start + 3)[:, 0].tolist() == [start, start + 1, start + 2]
    assert asked == [(0, 30), (30, 60), (60, 90)]
    assert len(column.read(20, 100)) == 80  # an episode that is longer than a block


def test_no_warning_where_everything_is_marked(tmp_path):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(30, "timeout"), Made(3, "cut")]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _load(path, tmp_path).num_transitions == 33
