"""What would hang or fill the memory is refused before it is read, in every format."""

import gzip
import json
import os
import resource
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from ivr.data.sources import limits
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.arrays.arrays_making import encoded_arrays, write_arrays
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari

MADE = [Made(30, "timeout"), Made(40, "terminal")]


def _load(source: str, path: Path, cache: Path) -> None:
    load_dataset(name="x", source=source, path=path, view="flat", cache=cache)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _refused(source: str, path: Path, says: str) -> None:
    """It is refused, and takes no more memory than a file of its size needs."""
    before = _peak()
    with pytest.raises(UserError, match=says):
        _load(source, path, path.parent / "cache")
    assert _peak() - before < 64 << 20


def _pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize("suffix", ["npz", "csv", "parquet"])
def test_a_pipe_is_no_file_of_ones_own(tmp_path, suffix):
    with pytest.raises(UserError, match="is a pipe, a socket or a device"):
        _load("arrays", _pipe(tmp_path / f"a.{suffix}"), tmp_path)


@pytest.mark.timeout(20)
def test_a_pipe_is_no_d4rl_file_and_none_of_minari_or_the_cache(tmp_path):
    with pytest.raises(UserError, match="is a pipe, a socket or a device"):
        _load("d4rl_hdf5", _pipe(tmp_path / "a.hdf5"), tmp_path)
    with pytest.raises(UserError, match="is a pipe, a socket or a device"):
        _load("arrays", Path("/dev/zero"), tmp_path)
    made = write_minari(tmp_path / "made", encoded_episodes([3]))
    _load("minari", made, tmp_path / "cache")
    (built,) = (tmp_path / "cache").glob("x-*")
    for name in ("info.json", "rewards.npy"):
        whole = (built / name).read_bytes()
        _pipe(built / name)
        with pytest.raises(UserError, match=f"damaged .{name} is no plain file"):
            _load("minari", made, tmp_path / "cache")
        (built / name).unlink()
        (built / name).write_bytes(whole)
    _pipe(made / "data" / "main_data.hdf5")
    with pytest.raises(UserError, match="is a pipe, a socket or a device"):
        _load("minari", made, tmp_path / "cache")


@pytest.mark.timeout(20)
def test_a_pipe_is_no_arrow_file(tmp_path):
    made = write_minari(tmp_path / "made", encoded_episodes([3]), data_format="arrow")
    (made / "data" / "0").mkdir()
    _pipe(made / "data" / "0" / "part-0.arrow")
    with pytest.raises(UserError, match="is a pipe, a socket or a device"):
        _load("minari", made, tmp_path / "cache")


@pytest.fixture
def strict(monkeypatch):
    """Files of a few kilobytes may claim little."""
    monkeypatch.setattr(limits, "_ALWAYS_TAKEN", 1 << 18)


ROWS = 100_000


def test_an_archive_that_unpacks_to_a_thousandfold(tmp_path, strict):
    path = write_arrays(tmp_path / "a", encoded_arrays(MADE))
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("observations.npy", "w", force_zip64=True) as file,
    ):
        file.write(bytes(4_000_000))
    _refused("arrays", path, r"claims to hold arrays of 4,00\d,\d+: more than 100 times")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_packed_as_numpy_packs_none(tmp_path, method):
    path = write_arrays(tmp_path / "a", encoded_arrays(MADE))
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, held in content.items():
            archive.writestr(name, held)
    _refused("arrays", path, "packed by another method")


@pytest.mark.parametrize("chunks", [None, (1 << 20,)])
def test_an_hdf5_column_that_was_never_written(tmp_path, chunks):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns(MADE) | {"terminals": None})
    with h5py.File(path, "r+") as file:
        file.create_dataset("terminals", (10**12,), bool, chunks=chunks)
    _refused("d4rl_hdf5", path, r"claims to hold arrays of 1,000,000,00\d,\d+")


def test_an_hdf5_chunk_that_is_larger_than_the_column(tmp_path):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns(MADE) | {"rewards": None})
    with h5py.File(path, "r+") as file:
        column = file.create_dataset(
            "rewards", (70,), "f4", chunks=(10**9,), maxshape=(None,), compression="gzip"
        )
        assert column.id.get_storage_size() == 0
    _refused("d4rl_hdf5", path, "claims to hold arrays of 4,000")


def test_an_episode_that_claims_much(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3]))
    with h5py.File(path / "data" / "main_data.hdf5", "r+") as file:
        del file["episode_0/rewards"]
        file.create_dataset("episode_0/rewards", (10**11,), "f8", chunks=True)
    _refused("minari", path, "claims to hold arrays of 800,000")


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_an_arrow_episode_that_unpacks_to_a_thousandfold(tmp_path, strict, kind):
    path = write_minari(tmp_path / "made", encoded_episodes([3]), data_format=kind)
    folder = path / "data" / "0"
    folder.mkdir()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2 * ROWS)), 2)
    numbers, marks = pa.array(np.zeros(ROWS)), pa.array(np.zeros(ROWS, bool))
    table = pa.table(
        [vectors, vectors, numbers, marks, marks],
        ["observations", "actions", "rewards", "terminations", "truncations"],
    )
    if kind == "arrow":
        pyarrow.feather.write_feather(table, folder / "part-0.arrow", compression="zstd")
    else:
        pyarrow.parquet.write_table(table, folder / "part-0.parquet")
    # Five numbers of 8 bytes, and two marks.
    _refused("minari", path, "claims to hold arrays of 4,200,000")


def test_a_table_that_unpacks_to_a_thousandfold(tmp_path, strict):
    zeros = pa.array(np.zeros(ROWS, np.float32))
    names = ["observation_0", "action_0", "rewards", "terminated"]
    pyarrow.parquet.write_table(pa.table([zeros] * 4, names), tmp_path / "a.parquet")
    _refused("arrays", tmp_path / "a.parquet", "claims to hold arrays of 3,200,000")


def test_a_packed_csv_file_that_unpacks_to_a_thousandfold(tmp_path, strict):
    text = "observation_0,action_0,rewards,terminated\n" + "0,0,0,0\n" * ROWS
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    _refused("arrays", tmp_path / "a.csv.gz", "claims to hold arrays of 3,200,")


def test_a_file_of_this_size_may_hold_what_it_claims(tmp_path):
    """A column of zeros among others, well packed: 5 MB in 20 kB."""
    columns = encoded_columns([Made(100_000, "timeout")])
    columns["observations"][:] = columns["actions"][:] = columns["next_observations"][:] = 0.5
    path = write_d4rl(tmp_path / "a.hdf5", columns, compression="gzip")
    _load("d4rl_hdf5", path, tmp_path / "cache")


def test_a_maze_of_ten_thousand_cells_and_more(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3]), maze_map=[[1] * 101] * 100)
    with pytest.raises(UserError, match="maze_map has more than 10,000 cells"):
        _load("minari", path, tmp_path / "cache")


def test_metadata_of_gigabytes(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3]))
    with open(path / "data" / "metadata.json", "ab") as file:
        file.truncate(1 << 34)
    _refused("minari", path, "it is longer than 33,554,432 bytes")


@pytest.mark.parametrize("what", ["observation_space", "env_spec", None])
def test_metadata_that_are_nested_deeply(tmp_path, what):
    path = write_minari(tmp_path / "made", encoded_episodes([3]))
    file = path / "data" / "metadata.json"
    deep = "[" * 100_000
    if what is None:
        file.write_text(deep)
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | {what: deep}))
    _refused("minari", path, "is not the metadata|in a form that cannot be read")
