"""One's own data come out with every transition inside its episode, whatever the layout."""

import gzip
import tempfile
import warnings
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.data.dataset import OfflineDataset
from ivr.data.sources.arrays.csv import CsvFile
from ivr.data.sources.arrays.files import find_arrays, read_arrays
from ivr.data.sources.arrays.source import ArraysSource
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.arrays.arrays_making import KINDS, encoded_arrays, write_arrays, write_table
from tests.data.sources.d4rl.d4rl_making import Made

BOUNDS = {"action_low": [0, 0], "action_high": 50}

_lengths = st.integers(1, 5)
_marked = st.builds(Made, _lengths, st.sampled_from(["terminal", "timeout", "both"]))


def _load(path, cache: Path, **keys) -> OfflineDataset:
    options = {"name": "x", "source": "arrays", "view": "flat", "cache": cache, **BOUNDS} | keys
    return load_dataset(path=path, **options)


@settings(max_examples=40, deadline=None)
@given(
    episodes=st.lists(_marked, min_size=2, max_size=5),
    cuts=st.sets(st.integers(1, 20), max_size=3),
    has_next=st.booleans(),
    suffix=st.sampled_from(KINDS),
)
def test_rows_of_two_files_are_never_neighbours(episodes, cuts, has_next, suffix):
    arrays = encoded_arrays(episodes)
    arrays["next_observations"] = arrays["next_observations"] if has_next else None
    rows = len(arrays["rewards"])
    edges = [0, *sorted(cut for cut in cuts if cut < rows), rows]
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (start, stop) in enumerate(pairwise(edges)):
            part = {n: None if a is None else a[start:stop] for n, a in arrays.items()}
            write_arrays(Path(folder) / "data" / f"part{number}", part, suffix)
            for row in range(start, stop):
                end = row == stop - 1 or arrays["episode"][row] != arrays["episode"][row + 1]
                if has_next or not end or arrays["terminated"][row]:
                    kept.append((arrays["observations"][row].tolist(), arrays["terminated"][row]))
        if not kept:
            return
        data = _load(Path(folder) / "data", Path(folder))
        batch = data.gather(torch.arange(data.num_transitions))
        assert batch.observations.tolist() == [observation for observation, _ in kept]
        for ((k, t), done), after in zip(kept, batch.next_observations.tolist(), strict=True):
            assert after in ([[k, t + 1]] if has_next or not done else [[k, t]])


def test_a_folder_is_read_in_the_order_of_names_and_a_list_in_its_own(tmp_path):
    for name, k in (("b", 1), ("a", 2), ("c", 0)):
        arrays = encoded_arrays([Made(2, "timeout")])
        arrays["rewards"] = arrays["rewards"] * 0 + k
        write_arrays(tmp_path / "data" / name, arrays, "csv")
    (tmp_path / "data" / "_SUCCESS").touch()
    data = _load(tmp_path / "data", tmp_path)
    assert data.rewards.tolist() == [2, 2, 1, 1, 0, 0]
    assert data.info.source == f"arrays a.csv + b.csv + c.csv at {tmp_path / 'data'}"
    chosen = [str(tmp_path / "data" / f"{name}.csv") for name in "ca"]
    assert _load(chosen, tmp_path).rewards.tolist() == [0, 0, 2, 2]


def test_every_kind_of_file_gives_the_same_data(tmp_path):
    arrays = encoded_arrays([Made(3, "timeout"), Made(2, "terminal")])
    paths = [write_arrays(tmp_path / f"{n}" / "made", arrays, kind) for n, kind in enumerate(KINDS)]
    assert len({_load(path, tmp_path).info.fingerprint for path in paths}) == 1


def test_numbers_of_a_vector_are_taken_in_their_order_not_the_alphabets(tmp_path):
    columns = {f"observation_{i}": [float(i)] * 2 for i in range(12)}
    columns |= {"action_0": [0.0, 1.0], "rewards": [0.0, 0.0], "truncated": [False, True]}
    path = write_table(tmp_path / "made", {**columns, "observation_11": [11.0, 11.0]}, "csv")
    with pytest.warns(UserWarning, match="without terminated"):
        data = _load(path, tmp_path, action_low=0)
    assert data.observations[0].tolist() == list(range(12))


def test_the_bounds_of_the_data_are_taken_and_said(tmp_path):
    arrays = encoded_arrays([Made(5, "timeout")])
    arrays["actions"] = np.array([[0.5, -3], [1, 0], [2, 1], [0, 0], [1, 1]])
    arrays["rewards"] = arrays["rewards"] / 2  # else they are among the observations
    path = write_arrays(tmp_path / "made", arrays)
    for _ in range(2):  # the second is mapped from the cache
        with pytest.warns(UserWarning, match=r"from \[0\.0, -3\.0\] to \[2\.0, 1\.0\]"):
            data = _load(path, tmp_path, action_low=None, action_high=None)
        assert data.info.action_low == (0, -3) and data.info.action_high == (2, 1)
        assert data.actions[0].tolist() == pytest.approx([-0.5, -1], abs=1e-4)
    with pytest.warns(UserWarning, match=r"own bounds, from \[-4\.0, -4\.0\] to \[2\.0,"):
        data = _load(path, tmp_path, action_low=-4, action_high=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = _load(path, tmp_path, action_low=[-4, -4], action_high=[2, 1])
    assert given.info.fingerprint == data.info.fingerprint


def test_converted_data_are_not_read_again(tmp_path, monkeypatch):
    path = write_arrays(tmp_path / "made", encoded_arrays([Made(5, "timeout")]))
    first = _load(path, tmp_path)
    monkeypatch.setattr(
        "ivr.data.sources.arrays.source.read_arrays", lambda _: pytest.fail("was read")
    )
    assert _load(path, tmp_path).info == first.info


def test_what_is_assumed_is_said(tmp_path):
    arrays = encoded_arrays([Made(3, "terminal"), Made(2, "terminal")])
    arrays |= {"truncated": None, "episode": None, "next_observations": None}
    arrays["infos"] = np.zeros(5)
    with pytest.warns(UserWarning, match=r"not used: infos; nothing marks an end by time"):
        _load(write_arrays(tmp_path / "made", arrays), tmp_path)


@pytest.mark.parametrize("kind", ["npz", "parquet of lists", "csv"])
def test_the_ending_of_a_file_may_be_in_capitals(tmp_path, kind):
    path = write_arrays(tmp_path / "small", encoded_arrays([Made(3, "terminal")]), kind)
    loud = path.rename(path.with_name(path.name.upper()))
    (episode,) = ArraysSource(find_arrays(loud), -1, 9).episodes()
    assert episode.rewards.tolist() == [0, 1, 2]
    assert find_arrays(tmp_path) == [loud]


def _written(path: Path, encode: Callable[[str], bytes], change: Callable[[str], str]) -> Path:
    """The encoded arrays with a quarter more in each observation, as a CSV file."""
    arrays = encoded_arrays([Made(3, "timeout"), Made(4, "terminal")])
    arrays["observations"] = arrays["observations"] + 0.25
    plain = write_arrays(path / "plain", arrays | {"next_observations": None}, "csv")
    changed = path / ("a.csv.gz" if encode is gzip_text else "a.csv")
    changed.write_bytes(encode(change(plain.read_text().replace('"', ""))))
    return changed


def gzip_text(text: str) -> bytes:
    return gzip.compress(text.encode())


def _semicolons(text: str) -> str:
    return text.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize(
    ("encode", "change"),
    [
        (str.encode, lambda text: text.replace(",", ", ")),
        (str.encode, lambda text: text.replace(",", "\t")),
        (str.encode, lambda text: text.replace(",", ";")),
        (str.encode, lambda text: text.replace("\n", "\r\n")),
        (str.encode, _semicolons),
        (lambda text: text.encode("utf-8-sig"), _semicolons),
        (lambda text: text.encode("utf-16"), lambda text: text),
        (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), _semicolons),
        (gzip_text, lambda text: text),
        (str.encode, lambda text: text.replace("\n", ",,\n")),  # as spreadsheets end rows
    ],
)
def test_the_dialects_of_csv(tmp_path, encode, change):
    path = _written(tmp_path, encode, change)
    first, second = ArraysSource(find_arrays(path), -1, 9).episodes()
    assert first.observations["observation"].tolist() == [[0.25, t + 0.25] for t in range(3)]
    assert second.actions.tolist() == [[1, t] for t in range(4)]
    assert second.terminations.tolist() == [False] * 3 + [True]


def test_a_column_of_whole_numbers_may_go_on_with_others(tmp_path):
    """pyarrow infers the type of a column from its first megabyte."""
    rows = 300_000
    rewards = np.zeros(rows)
    rewards[-1] = 0.5
    text = "observation_0,action_0,rewards,episode\n"
    text += "".join(f"0,{i},0,0\n" for i in range(rows - 1)) + f"0,{rows - 1},0.5,0\n"
    (tmp_path / "a.csv").write_text(text)
    arrays = read_arrays(tmp_path / "a.csv").arrays
    assert np.array_equal(arrays["actions"], np.arange(rows))
    assert np.array_equal(arrays["rewards"], rewards)


@pytest.mark.parametrize("kind", ["npz", "parquet", "csv"])
def test_one_control_and_one_sensor_need_no_second_axis(tmp_path, kind):
    flat = {"observation": np.arange(3.0), "action": np.arange(3.0) / 2, "rewards": np.ones(3)}
    if kind == "npz":
        flat = {"observations": flat["observation"], "actions": flat["action"]}
        path = tmp_path / "a.npz"
        np.savez(path, **flat, rewards=np.ones((3, 1)), terminated=np.array([[0], [0], [1]]))
    else:
        path = write_table(tmp_path / "a", flat | {"terminated": [0, 0, 1]}, kind)
    (episode,) = ArraysSource(find_arrays(path), -1, 1).episodes()
    assert episode.observations["observation"].tolist() == [[0], [1], [2], [2]]
    assert episode.actions.tolist() == [[0], [0.5], [1]] and episode.rewards.tolist() == [1, 1, 1]
    assert ArraysSource(find_arrays(path), None, None).action_high.tolist() == [1]


def test_spaces_around_names_and_decimal_numbers_in_parquet(tmp_path):
    columns = {"rewards ": [Decimal("1.25"), Decimal("-2.5")], " action_0": [0.0, 1.0]}
    columns |= {"observation_0": [1.0, 2.0], "terminated": [0, 1]}
    path = write_table(tmp_path / "a", columns, "parquet")
    (episode,) = ArraysSource(find_arrays(path), -1, 1).episodes()
    assert episode.rewards.tolist() == [1.25, -2.5] and episode.actions.tolist() == [[0], [1]]


@pytest.mark.parametrize("key", ["run", "episode"])
def test_partitions_are_read_one_after_the_other(tmp_path, key):
    arrays = encoded_arrays([Made(2, "timeout")]) | {"next_observations": None}
    arrays |= {"truncated": None, "episode": None if key == "episode" else arrays["episode"]}
    arrays["terminated"] = None if key == "run" else arrays["terminated"]
    for k in range(3):
        arrays["rewards"] = np.full(2, 10 * k)
        folder = tmp_path / "hive" / f"site=a{k // 2}" / f"{key}={k}"
        write_arrays(folder / "part-0", arrays, "parquet of numbers")
    (tmp_path / "hive" / "other").mkdir()
    write_arrays(tmp_path / "hive" / "other" / "b", arrays)
    source = ArraysSource(find_arrays(tmp_path / "hive"), -1, 9)
    assert [one.rewards.tolist() for one in source.episodes()] == [[0], [10], [20]]


def test_a_json_file_beside_ones_own_data_is_no_record_of_them(tmp_path):
    path = write_arrays(tmp_path / "log", encoded_arrays([Made(3, "timeout")]))
    path.with_name(f"{path.name}.json").write_text('{"plant": 7}')
    assert _load(path, tmp_path / "cache").num_transitions == 3


@pytest.mark.parametrize(
    ("cells", "refused"),
    [
        (["982", "989", "1.003", "1.010"], True),
        (["982", "1.003", "7", ""], True),
        (["0.982", "0.989", "1.003", "1.010"], False),
        (["982", "989.5", "1.003", "1.010"], False),
        (["982", "989", "0.003", "1.010"], False),
        (["20", "21", "20.125", "20.250"], False),
        (["0", "3.125", "3.250", "0"], False),
        (["80.125", "81.125", "100", "99.125"], False),
        (["5", "900", "7.125", "9.250"], False),
        (["120", "121", "120.125", "120.250"], False),
        (["982", "989", "1003", "1010"], False),
    ],
)
def test_a_point_that_may_separate_thousands_is_no_decimal_point(tmp_path, cells, refused):
    lines = ["flow;valve", *(f"{cell};{i}" for i, cell in enumerate(cells))]
    (tmp_path / "log.csv").write_text("\n".join(lines))
    file = CsvFile(tmp_path / "log.csv")
    if refused:
        with pytest.raises(UserError, match=r"log.csv, row [12]: flow is 1\.003"):
            file.read(["flow", "valve"])
    else:
        assert file.read(["flow", "valve"]).num_rows == len(cells)
