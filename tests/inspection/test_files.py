"""What is wrong inside a file, and where, in every format."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ivr.commands import inspect_data as run_inspection
from ivr.data.sources.defects import BOUNDS, FINITE, MARKS, NEXT, SHAPE, UNREADABLE
from ivr.errors import UserError
from tests.data.sources.arrays.arrays_making import encoded_arrays, write_arrays
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari
from tests.inspection.inspecting import EPISODES, d4rl_words, inspect, places
from tests.running import composed


def _shift(columns, offset):
    """next_observations that are those of another row, as an off-by-one makes them."""
    columns["next_observations"] = np.roll(columns["observations"], -offset, axis=0)


def _late(columns):
    columns["timeouts"] = np.roll(columns["timeouts"], 1)
    columns["terminals"] = np.roll(columns["terminals"], 1)


def _without_timeouts(columns, offset):
    _shift(columns, offset)
    columns["timeouts"] = None


@pytest.mark.parametrize(
    ("change", "kind", "at", "count"),
    [
        # Every next observation is that of row + 2; the marked ends are not looked at. The two last
        # rows come round to the first two.
        (lambda c: _shift(c, 2), NEXT, (0, 0, 0), 100 - 3),
        (lambda c: _shift(c, 0), NEXT, (0, 0, 0), 100 - 3),
        (lambda c: _without_timeouts(c, 2), NEXT, (0, 0, 0), 100 - 2),
        # The marks of the rows 29, 69 and 99 stand on 30, 70 and 0, which is an episode by itself.
        (_late, MARKS, (1, 28, 29), 2),
        (lambda c: c["rewards"].__setitem__(50, np.inf), FINITE, (1, 20, 50), 1),
        (lambda c: c["actions"].__setitem__((99, 1), -1.5), BOUNDS, (2, 29, 99), 1),
    ],
)
@pytest.mark.filterwarnings("ignore:.*invalid value")
def test_what_is_wrong_inside_a_d4rl_file(tmp_path, change, kind, at, count):
    card, error = inspect(tmp_path / "run", *d4rl_words(tmp_path, change))
    assert error is not None
    assert {k: found["count"] for k, found in card["defects"].items() if found["count"]} == {
        kind: count
    }
    first = card["defects"][kind]["first"][0]
    assert (first["episode"], first["step"], first["row"]) == at


def _broken_hdf5(path: Path, how: str) -> tuple[str, ...]:
    words = d4rl_words(path, lambda columns: None)
    file = path / "a.hdf5"
    whole = file.read_bytes()
    if how == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "text":
        file.write_bytes(b"observations,actions\n")
    else:
        with h5py.File(file, "r+") as opened:
            del opened["rewards"]
            if how == "objects":
                opened.create_dataset("rewards", data=["a"] * 100)
            elif how == "shape":
                opened["rewards"] = np.zeros((50, 2))
    return words


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("cut", "is not an HDF5 file that can be read.*cut short"),
        ("empty", "is not an HDF5 file that can be read"),
        ("text", "is not an HDF5 file that can be read"),
        ("missing", "has no rewards"),
        ("objects", "rewards has shape .100,. of object"),
        ("shape", r"rewards .*\(50, 2\)|has shape .*50"),
    ],
)
def test_a_file_that_cannot_be_opened_is_one_message(tmp_path, how, says):
    words = _broken_hdf5(tmp_path, how)
    with pytest.raises(UserError, match=says):
        run_inspection.run(composed(words, "inspect_data"), tmp_path, [])


def test_all_that_is_wrong_with_a_minari_dataset(tmp_path):
    episodes = encoded_episodes([3, 4, 5, 6, 2])
    episodes[0]["observations"][3] = np.nan  # what came after the last action
    episodes[1]["observations"] = episodes[1]["observations"][:-1]  # T instead of T + 1
    episodes[2]["rewards"] = episodes[2]["rewards"][:-1]
    episodes[4]["actions"][1] = np.inf
    path = write_minari(tmp_path / "made", episodes)
    with h5py.File(path / "data" / "main_data.hdf5", "r+") as file:
        del file["episode_3/actions"]
    card, error = inspect(tmp_path / "run", "dataset=minari", f"dataset.path={path}")
    assert error is not None
    assert places(card) == {
        (FINITE, 0, 3, None), (SHAPE, 1, None, None), (SHAPE, 2, None, None),
        (UNREADABLE, 3, None, None), (FINITE, 4, 1, None),
    }  # fmt: skip


def test_a_minari_folder_without_metadata(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3]))
    (path / "data" / "metadata.json").unlink()
    words = ("dataset=minari", f"dataset.path={path}")
    with pytest.raises(UserError, match=r"must be the folder of a Minari dataset"):
        run_inspection.run(composed(words, "inspect_data"), tmp_path, [])


def test_all_that_is_wrong_with_ones_own_data(tmp_path):
    arrays = encoded_arrays(EPISODES) | {"next_observations": None}
    arrays = {name: v if v is None else v.astype(float) for name, v in arrays.items()}
    arrays["actions"][4, 0] = np.nan
    arrays["truncated"][5] = 1  # in the middle of an episode
    arrays["episode"][8:] = arrays["episode"][0]  # as the first one
    arrays["terminated"][6] = np.nan
    path = write_arrays(tmp_path / "a", arrays)
    card, error = inspect(tmp_path / "run", "dataset=arrays", f"dataset.path={path}")
    assert error is not None
    assert places(card) == {
        (FINITE, 1, 1, 4), (MARKS, None, None, 5), (MARKS, None, None, 6), (MARKS, None, None, 8)
    }  # fmt: skip
