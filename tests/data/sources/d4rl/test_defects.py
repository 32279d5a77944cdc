"""What is wrong with a D4RL file is told with its place."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ivr.data.sources.d4rl.source import D4RLSource
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari


def _load(path: Path, cache: Path) -> None:
    load_dataset(name="x", source="d4rl_hdf5", path=path, view="flat", cache=cache)


def _spoil(name: str, row: int, value: float):
    def spoil(columns):
        columns[name] = columns[name].astype(np.float64)
        columns[name][row] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_spoil("observations", 4, np.nan), r"episode 1, step 1 \(row 4\): observations holds"),
        (_spoil("observations", 4, 1e300), r"episode 1, step 1 \(row 4\): observations"),
        (_spoil("rewards", 3, np.inf), r"episode 1, step 0 \(row 3\): rewards holds inf"),
        (_spoil("actions", 6, np.nan), r"episode 1, step 3 \(row 6\): actions holds nan in dim"),
        (_spoil("actions", 5, -1.001), r"episode 1, step 2 \(row 5\): action 0 is -1\.001, out"),
        (_spoil("next_observations", 7, np.nan), r"episode 1, step 4 \(row 7\): next_observations"),
        (_spoil("next_observations", 4, 9), r"episode 1, step 1 \(row 4\): next_obs.* is not the"),
        (_spoil("terminals", 4, np.nan), r"row 4: terminals is nan; it must be 0 or 1"),
        (_spoil("terminals", 4, -1), r"row 4: terminals is -1\.0; it must be 0 or 1"),
        (_spoil("timeouts", 4, 0.3), r"row 4: timeouts is 0\.3; it must be 0 or 1"),
    ],
)  # fmt: skip
def test_a_defect_is_told_with_its_place(tmp_path, spoil, says):
    columns = encoded_columns([Made(3, "timeout"), Made(5, "terminal")])
    spoil(columns)
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with pytest.raises(UserError, match=rf"{path}, {says}"):
        _load(path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"rewards": None, "terminals": None},
            "has no rewards, terminals: it holds actions",
        ),
        ({"rewards": np.zeros(2)}, r"observations has shape \(3, 2\).*with 2 rewards"),
        ({"rewards": np.zeros((3, 2))}, r"rewards has shape \(3, 2\)"),
        ({"timeouts": np.zeros(4, bool)}, r"timeouts has shape \(4,\).*shape \(3\)"),
        ({"actions": np.zeros((3, 1, 1))}, r"actions has shape \(3, 1, 1\).*shape \(3, n\)"),
        ({"actions": np.zeros((3, 0))}, r"actions has shape \(3, 0\)"),
        ({"observations": np.zeros((3, 2), complex)}, "observations has .*complex128"),
        ({"next_observations": np.zeros((3, 4))}, r"\(3, 2\) and next_observations \(3, 4\)"),
        ({"observations": [b"a", b"b", b"c"]}, "observations has shape"),
    ],
)
def test_what_is_not_the_format_is_said_at_once(tmp_path, changed, says):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(3, "timeout")]) | changed)
    with pytest.raises(UserError, match=f"{path}.*{says}"):
        D4RLSource([path], None)


def test_an_empty_file_has_no_rows(tmp_path):
    columns = {name: values[:0] for name, values in encoded_columns([Made(1, "cut")]).items()}
    with pytest.raises(UserError, match=r"observations has shape \(0, 2\).*at least 1"):
        D4RLSource([write_d4rl(tmp_path / "a.hdf5", columns)], None)


def test_a_file_that_cannot_be_read(tmp_path):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(3000, "timeout")]))
    whole = path.read_bytes()
    for content in (whole[:5000], b"no such thing", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{path} is not an HDF5 file that can be read"):
            _load(path, tmp_path)


def test_a_minari_file_is_told_what_reads_it(tmp_path):
    folder = write_minari(tmp_path / "made", encoded_episodes([3]))
    with pytest.raises(UserError, match=r"it holds episode_0.*dataset=minari"):
        _load(folder / "data" / "main_data.hdf5", tmp_path)


def test_a_damaged_block_is_named(tmp_path):
    columns = encoded_columns([Made(4000, "timeout")])
    path = write_d4rl(tmp_path / "a.hdf5", columns, compression="gzip", chunks=True)
    with h5py.File(path) as file:
        chunk = file["rewards"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\0" * chunk.size
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}: rewards cannot be read from row 0"):
        _load(path, tmp_path)
