"""What is wrong with one's own data is told with its place, and nothing of them is executed."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.data.sources.arrays.files import read_arrays
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.arrays.arrays_making import KINDS, encoded_arrays, write_arrays, write_table
from tests.data.sources.d4rl.d4rl_making import Made


def _load(path: Any, cache: Path, **keys: Any) -> None:
    options = {"action_low": -1, "action_high": 50} | keys
    load_dataset(name="x", source="arrays", path=path, view="flat", cache=cache, **options)


def _spoil(name: str, row: int, value: float):
    def spoil(arrays):
        arrays[name] = arrays[name].astype(np.float64)
        arrays[name][row] = value

    return spoil


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_spoil("observations", 4, np.nan), r"episode 1, step 1 \(row 4\): observations holds"),
        (_spoil("rewards", 3, np.inf), r"episode 1, step 0 \(row 3\): rewards holds inf"),
        (_spoil("actions", 6, np.nan), r"episode 1, step 3 \(row 6\): actions holds nan in dim"),
        (_spoil("actions", 5, -1.01), r"episode 1, step 2 \(row 5\): action 0 is -1\.01, .*o 50"),
        (_spoil("next_observations", 7, np.nan), r"episode 1, step 4 \(row 7\): next_observations"),
        (_spoil("next_observations", 4, 9), r"episode 1, step 1 \(row 4\): next_obs.* is not the"),
        (_spoil("terminated", 4, np.nan), r"row 4: terminated is nan; it must be 0 or 1"),
        (_spoil("truncated", 4, np.nan), r"row 4: truncated is nan; it must be 0 or 1"),
        (_spoil("terminated", 4, -1), r"row 4: terminated is -1(\.0)?; it must be 0 or 1"),
        (_spoil("truncated", 4, 2), r"row 4: truncated is 2(\.0)?; it must be 0 or 1"),
        (_spoil("truncated", 5, 1), r"row 5: terminated or truncated is set, and the next row has"),
        (_spoil("episode", 5, 1), r"row 6: episode is a number that an earlier episode had"),
    ],
)  # fmt: skip
def test_a_defect_is_told_with_its_place(tmp_path, spoil, says, kind):
    arrays = encoded_arrays([Made(3, "timeout"), Made(5, "terminal")])
    spoil(arrays)
    path = write_arrays(tmp_path / "a", arrays, kind)
    with pytest.raises(UserError, match=rf"{path}, {says}"):
        _load(path, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rewards": None, "actions": None}, "has no actions, rewards: it holds observations"),
        ({"rewards": np.zeros(2)}, r"observations has shape \(3, 2\).*with 2 rewards"),
        ({"rewards": np.zeros((3, 2))}, r"rewards has shape \(3, 2\)"),
        ({"truncated": np.zeros(4, bool)}, r"truncated has shape \(4,\).*shape \(3\)"),
        ({"episode": np.array([0, np.nan, 1])}, "row 1: episode is nan. Give every row the number"),
        ({"episode": np.zeros(4)}, r"episode has shape \(4,\); it should be \(3,\)"),
        ({"actions": np.zeros((3, 1, 1))}, r"actions has shape \(3, 1, 1\).*shape \(3, n\)"),
        ({"actions": np.zeros((3, 0))}, r"actions has shape \(3, 0\)"),
        ({"observations": np.zeros((3, 2), complex)}, "observations has .*complex128"),
        ({"observations": np.array(["a", "b", "c"])}, "observations has shape"),
        ({"next_observations": np.zeros((3, 4))}, r"\(3, 2\) and next_observations \(3, 4\)"),
        ({"terminated": None, "truncated": None, "episode": None}, "neither terminated, trunc"),
    ],
)
def test_what_is_not_the_format_is_said(tmp_path, changed, says):
    arrays = encoded_arrays([Made(3, "timeout")]) | changed
    path = write_arrays(tmp_path / "a", arrays)
    with pytest.raises(UserError, match=f"{path}.*{says}"):
        _load(path, tmp_path)


_TABLE = {
    "observations": [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]],
    "actions": [[0.0], [1.0], [2.0]],
    "rewards": [0.0, 0.0, 0.0],
    "episode": ["a", "a", "b"],
    "terminated": [False, True, False],
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"observations": [[0.0, 1.0], [1.0], [2.0, 3.0]]}, r", row 1: observations has 1 num.* 2"),
        ({"observations": [[0.0, 1.0], None, [2.0, 3.0]]}, r", row 1: observations has 0 numbers"),
        ({"observations": [[0.0, 1.0], [1.0, None], [0.0, 0.0]]}, r"episode 0, step 1 .*\bnan\b"),
        ({"observations": [[], [], []]}, r"observations has shape \(3, 0\)"),
        ({"observations": [["a"], ["b"], ["c"]]}, "observations holds string, as in row 0: 'a'"),
        ({"rewards": ["1", "x", "3"]}, "rewards holds string, as in row 1: 'x'"),
        ({"rewards": [1.0, None, 3.0]}, r"episode 0, step 1 \(row 1\): rewards holds nan"),
        ({"terminated": [False, None, True]}, "row 1: terminated is nan; it must be 0 or 1"),
        ({"episode": ["a", None, "b"]}, "row 1: episode is empty"),
        ({"episode": [1.0, float("nan"), 2.0]}, "row 1: episode is empty"),
        ({"episode": [[1], [1], [2]]}, "episode holds list.*the number or the name of the epi"),
        ({"action_0": [0.0, 0.0, 0.0]}, "has both actions and action_0"),
        ({"actions": None, "action_0": [0.0] * 3, "action_2": [0.0] * 3}, "action_1 should be am"),
        ({"actions": None, "action_0": [0.0] * 3, "action_00": [0.0] * 3}, "action_1 should be am"),
    ],
)
def test_a_table_that_is_not_one(tmp_path, changed, says):
    columns = {name: values for name, values in (_TABLE | changed).items() if values is not None}
    path = write_table(tmp_path / "a", columns, "parquet")
    with pytest.raises(UserError, match=f"{path}.*{says}"):
        _load(path, tmp_path)


CSV = "observation_0,action_0,rewards,truncated\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read: Empty CSV file"),
        (CSV, "has no rows"),
        (CSV + "0,0,0,0\n0,0,0\n", "cannot be read: CSV parse error: .*Expected 4 columns, got 3"),
        (CSV + "0,0,0,0\n0,0,,1\n", r"episode 0, step 1 \(row 1\): rewards holds nan"),
        (CSV + "0,0,nan,0\n0,0,0,1\n", r"episode 0, step 0 \(row 0\): rewards holds nan"),
        (CSV.replace(",", ";") + "0,5;0;?;0\n", r"rewards holds string, as in row 0: '\?'"),
        (CSV + "0,0,?,0\n", r"rewards holds string, as in row 0: '\?'"),
        ("observation_0,action_0,rewards,rewards\n0,0,0,0\n", "more than one column rewards"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*without terminated")
def test_a_csv_file_that_is_not_one(tmp_path, text, says):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"{path}.*{says}"):
        _load(path, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_short(tmp_path, kind):
    arrays = encoded_arrays([Made(300, "timeout")]) | {"observations": np.ones((300, 2)) / 3}
    path = write_arrays(tmp_path / "a", arrays | {"next_observations": None}, kind)
    whole = path.read_bytes()
    cut = [] if kind == "csv" else [whole[: len(whole) // 2]]  # a shorter table is a table
    for content in (b"", b"no such thing", *cut):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{path}"):
            _load(path, tmp_path / "cache", action_high=301)
    assert not list(tmp_path.glob("cache/*"))


def test_a_name_that_is_damaged_in_one_of_its_two_places(tmp_path):
    """Else the array, which may be missing, would be called another one and left out."""
    path = write_arrays(tmp_path / "a", encoded_arrays([Made(3, "timeout")]))
    whole = path.read_bytes()
    for place in (whole.find(b"next_obs"), whole.rfind(b"next_obs")):
        path.write_bytes(whole[:place] + b"N" + whole[place + 1 :])
        with pytest.raises(UserError, match="File name in directory"):
            _load(path, tmp_path)


class _Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["observations", "episode", "infos"])
def test_objects_are_refused_and_never_executed(tmp_path, name):
    sprung = tmp_path / "sprung"
    trap = np.array([_Trap(sprung)] * 3, dtype=object)
    path = write_arrays(tmp_path / "a", encoded_arrays([Made(3, "timeout")]) | {name: trap})
    if name == "infos":  # which is not read at all
        with pytest.warns(UserWarning, match="not used: infos"):
            _load(path, tmp_path)
    else:
        with pytest.raises(UserError, match=f"{path}: {name} cannot be read .*[Oo]bject arrays"):
            _load(path, tmp_path)
    assert not sprung.exists()


def test_a_single_array_is_no_npz(tmp_path):
    path = tmp_path / "a.npz"
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match=r"no archive.*np\.savez"):
        _load(path, tmp_path)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"action_low": 3, "action_high": 3}, r"bounds of action 0 are 3\.0 to 3\.0.*from 0\.0"),
        ({"action_low": None, "action_high": None}, r"action 0 are 0\.0 to 0\.0.*leave it out"),
        ({"action_high": [1, 2, 3]}, r"dataset\.action_high=\[1, 2, 3\] has 3 numbers, .* have 2"),
    ],
)  # fmt: skip
def test_bounds_that_cannot_be(tmp_path, keys, says):
    path = write_arrays(tmp_path / "a", encoded_arrays([Made(3, "timeout")]))
    with pytest.raises(UserError, match=says):
        _load(path, tmp_path, **keys)


def test_bounds_that_a_source_does_not_take(tmp_path):
    with pytest.raises(UserError, match=r"^dataset\.action_high=2: dataset\.source=d4rl has"):
        load_dataset(name="x", source="d4rl", action_high=2, cache=tmp_path)


def test_files_of_two_kinds_are_not_joined(tmp_path):
    arrays = encoded_arrays([Made(3, "timeout")])
    paths = [str(write_arrays(tmp_path / "a", arrays))]
    paths.append(str(write_arrays(tmp_path / "b", arrays | {"actions": np.zeros((3, 5))})))
    with pytest.raises(UserError, match=r"b\.npz has .* \(2, 5\) numbers, .*a\.npz has \(2, 2\)"):
        _load(paths, tmp_path)


def test_a_path_without_data(tmp_path):
    (tmp_path / "a.txt").touch()
    (tmp_path / "data").mkdir()
    for path, says in (
        (None, "dataset.path=None names no data"),
        ([], "names no data"),
        (tmp_path / "nothing", "does not exist"),
        (tmp_path / "a.txt", "ends in .npz, .parquet, .csv"),
        (tmp_path / "data", "a folder with no files"),
    ):
        with pytest.raises(UserError, match=says):
            _load(path, tmp_path)
    for kind in ("npz", "csv"):
        write_arrays(tmp_path / "data" / "a", encoded_arrays([Made(3, "timeout")]), kind)
    with pytest.raises(UserError, match=r"a folder with \.csv and \.npz files"):
        _load(tmp_path / "data", tmp_path)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("observations", "obs"),
        ("observations", " observations"),
        ("observations", "State"),
        ("actions", "action"),
        ("rewards", "reward"),
    ],
)
def test_a_column_of_another_name_is_to_be_mapped(tmp_path, name, other):
    arrays = encoded_arrays([Made(3, "terminal")])
    arrays[other] = arrays.pop(name)
    path, role = write_arrays(tmp_path / "a", arrays), name.replace("rewards", "reward")
    with pytest.raises(
        UserError, match=f"has no {name}: .*Did you mean dataset.columns.{role}=.*{other}"
    ):
        read_arrays(path)


@pytest.mark.parametrize(
    ("name", "other", "says"),
    [
        ("terminated", "terminals", "dataset.columns.terminated=terminals?"),
        ("terminated", "dones", "dataset.columns.terminated=dones, if the task itself ended there"),
        ("truncated", "timeouts", "dataset.columns.truncated=timeouts?"),
        ("episode", "episode_id", "dataset.columns.episode=episode_id?"),
        ("x", "episode_starts", r"Here it is numpy.cumsum\(episode_starts\)."),
    ],
)
def test_marks_of_another_name_are_recognised(tmp_path, name, other, says):
    arrays = encoded_arrays([Made(3, "terminal")])
    marks = arrays.get(name, np.zeros(3))
    arrays = {key: arrays[key] for key in ("observations", "actions", "rewards")} | {other: marks}
    with pytest.raises(UserError, match=f"neither terminated, truncated nor episode.*{says}"):
        read_arrays(write_arrays(tmp_path / "a", arrays))
    if name in ("terminated", "truncated"):
        arrays["episode"] = np.zeros(3)
        path = write_arrays(tmp_path / "b", arrays)
        with pytest.warns(UserWarning, match=f"not used: {other}. Did you mean {says}"):
            _load(path, tmp_path)


def test_episodes_of_one_row_have_nothing_to_learn_from(tmp_path):
    arrays = encoded_arrays([Made(1, "timeout")] * 3) | {"next_observations": None}
    says = "has no transitions: each of its episodes is one row, .* Add next_observations; or, if"
    with pytest.raises(UserError, match=says):
        _load(write_arrays(tmp_path / "a", arrays), tmp_path / "cache")
