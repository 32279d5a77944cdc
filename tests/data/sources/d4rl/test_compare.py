"""A published name promises the published file."""

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.data.dataset import OfflineDataset
from ivr.data.sources.d4rl import compare
from ivr.data.sources.d4rl.compare import check_one_robot
from ivr.data.sources.d4rl.published import PUBLISHED, Published
from ivr.errors import UserError
from tests.data.loading import load_node
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.running import composed, train

RECORD = PUBLISHED["hopper-medium"]


def _file(path: Path, episodes: int = 2, offset: float = 0.0) -> Path:
    columns = encoded_columns([Made(3, "terminal")] * episodes)
    for name in ("observations", "next_observations"):
        columns[name] += np.float32(offset)
    return write_d4rl(path, columns)


@functools.cache
def _node() -> Any:
    return composed(("dataset=hopper-medium",)).dataset


def _load(tmp_path: Path, path: Path | list[Path] | None, **changed: Any) -> OfflineDataset:
    given = [str(one) for one in path] if isinstance(path, list) else path and str(path)
    return load_node(_node(), tmp_path / "cache", path=given, **changed)


def test_another_file_under_a_published_name_is_refused_with_both_values(tmp_path):
    path = _file(tmp_path / "mine.hdf5")
    with pytest.raises(UserError) as caught:
        _load(tmp_path, path)
    message = str(caught.value)
    assert message.startswith("hopper-medium is a set that D4RL published, and this is another: ")
    size = path.stat().st_size
    assert f"{path} has 6 rows, {size:,} bytes ({RECORD.bytes:,} on record)" in message
    assert "dataset.as_is=true" in message and "dataset=d4rl_hdf5" in message
    assert not (tmp_path / "cache").exists()


def test_it_is_taken_as_it_is_and_scores_say_so(tmp_path):
    path = _file(tmp_path / "mine.hdf5", episodes=40)
    words = ("dataset=hopper-medium", f"dataset.path={path}", "dataset.as_is=true")
    result = train(tmp_path / "run", *words, "dataset.env=null", "num_updates=2", "eval_every=2")
    assert result["dataset"] == "hopper-medium (as is)"
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["dataset"] == "hopper-medium (as is)"
    assert "not hopper-medium as it was published: " in written["dataset_source"]
    assert f"120 rows, {path.stat().st_size:,} bytes" in written["dataset_source"]


@pytest.mark.parametrize("where", ["given", "folder"])
def test_the_file_on_record_needs_no_word(tmp_path, monkeypatch, where):
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    path = _file(tmp_path / "d4rl" / RECORD.file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record = Published(RECORD.id, path.stat().st_size, digest, rows=6)
    monkeypatch.setitem(PUBLISHED, "hopper-medium", record)
    info = _load(tmp_path, path if where == "given" else None).info
    assert info.name == "hopper-medium" and "publish" not in info.source
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    other = hashlib.sha256(changed).hexdigest()
    with pytest.raises(UserError, match=f"{path} has the SHA-256 {other} .{digest} on record"):
        _load(tmp_path, path if where == "given" else None)
    assert _load(tmp_path, path, as_is=True).info.name == "hopper-medium (as is)"
    # The cache of the file as it is serves no run that asks for the published one.
    with pytest.raises(UserError, match=other):
        _load(tmp_path, path)


def test_without_a_digest_rows_are_compared_and_the_first_use_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    monkeypatch.setitem(PUBLISHED, "hopper-medium", Published(RECORD.id, rows=6))
    path = _file(tmp_path / "first.hdf5")
    with pytest.raises(UserError, match=r"9 rows \(6 on record\)"):
        _load(tmp_path, _file(tmp_path / "longer.hdf5", episodes=3))
    assert not (tmp_path / "d4rl").exists()
    assert _load(tmp_path, path).info.name == "hopper-medium"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = json.loads((tmp_path / "d4rl" / f"{RECORD.file}.json").read_text())
    assert kept == {"url": None, "bytes": path.stat().st_size, "sha256": digest}
    assert _load(tmp_path, path).info.name == "hopper-medium"
    with pytest.raises(UserError, match=f"SHA-256 .*{digest} on record"):
        _load(tmp_path, _file(tmp_path / "other.hdf5", offset=1))


def test_several_files_are_not_the_published_one(tmp_path):
    paths = [_file(tmp_path / f"{name}.hdf5") for name in "ab"]
    with pytest.raises(UserError, match="2 files, where one is published"):
        _load(tmp_path, paths)
    assert _load(tmp_path, paths, as_is=True).num_transitions == 12


def test_the_file_of_another_name_is_not_the_published_one(tmp_path):
    other = PUBLISHED["hopper-expert"].id
    with pytest.raises(UserError, match=rf"dataset\.id={re.escape(other)} is not its file"):
        _load(tmp_path, _file(tmp_path / "a.hdf5"), id=other)


def test_two_robots_are_never_joined(tmp_path):
    named = [_file(tmp_path / f"{name}_medium-v2.hdf5") for name in ("halfcheetah", "walker2d")]
    with pytest.raises(UserError, match=r"halfcheetah_.* is of halfcheetah and .* of walker2d"):
        _load(tmp_path, named, as_is=True)
    # Both observe 2 numbers; the first is 0 or 1 in the one file, and 9 or 10 in the other.
    apart = [_file(tmp_path / "a.hdf5"), _file(tmp_path / "b.hdf5", offset=9.0)]
    with pytest.raises(UserError, match=r"Number 0 of an .* 0 and 1 in .*a\.hdf5, .* 9 and 10 in"):
        _load(tmp_path, apart, as_is=True)
    check_one_robot([_file(tmp_path / "c.hdf5"), _file(tmp_path / "d.hdf5", offset=0.5)])
    # Two ants may set out from different corners.
    check_one_robot([_file(tmp_path / f"Ant_maze_{x}.hdf5", offset=x) for x in (0.0, 24.0)])


def test_a_folder_that_cannot_be_written_keeps_nothing_and_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "hopper-medium", Published(RECORD.id, rows=6))
    path = _file(tmp_path / "first.hdf5")
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))

    def refuse(path, text):
        raise UserError(f"cannot write {path}")

    monkeypatch.setattr(compare, "write_text", refuse)
    assert _load(tmp_path, path).info.name == "hopper-medium"
