import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.data.cache import store
from ivr.data.cache.store import ColumnWriter, read_store, write_info
from ivr.data.sources.minari.source import MinariSource
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari


def _load(path: Path, cache: Path) -> float:
    data = load_dataset(name="x", path=path, view="flat", cache=cache)
    return float(data.observations.sum())


def test_a_column_grows_and_is_a_plain_npy_file(tmp_path):
    column = ColumnWriter(tmp_path, "x", (2,), np.float32)
    for rows in (1, 0, 12_345):
        column.append(np.full((rows, 2), rows))
    column.close()
    array = np.load(tmp_path / "x.npy")
    assert array.shape == (12_346, 2) and array.dtype == np.float32
    assert array[0, 0] == 1 and (array[1:] == 12_345).all()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch, error):
    path = write_minari(tmp_path / "made", encoded_episodes([3, 4]))
    whole = MinariSource.episodes

    def breaks(self, report):
        yield next(whole(self, report))
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(MinariSource, "episodes", breaks)
        with pytest.raises(error):
            _load(path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert _load(path, tmp_path / "cache") == 3 * 0 + 6 + 5 * 1 + 10


def test_the_content_of_a_file_decides_which_cache_is_used(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3, 4]))
    assert _load(path, tmp_path / "cache") == 3 * 0 + 6 + 5 * 1 + 10
    file = path / "data" / "main_data.hdf5"
    stat = file.stat()
    file.write_bytes(file.read_bytes().replace(np.float64(3).tobytes(), np.float64(5).tobytes()))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert _load(path, tmp_path / "cache") == 6 + 2 + 5 + 10 + 2  # each episode's 3 is a 5
    os.utime(file)  # only the time differs
    _load(path, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_full_disk_is_told_with_the_folder_and_the_bytes(tmp_path, monkeypatch):
    path = write_minari(tmp_path / "made", encoded_episodes([3]))

    def full(self, values):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ColumnWriter, "append", full)
    cache = tmp_path / "cache"
    with pytest.raises(UserError, match=rf"{cache}.*about \d+ bytes.*IVR_CACHE"):
        _load(path, cache)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3]))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write .*file.*IVR_CACHE"):
        _load(path, tmp_path / "file")


def test_no_transitions(tmp_path):
    for name, episodes in (("none", []), ("empty", encoded_episodes([0, 0]))):
        path = write_minari(tmp_path / name, episodes)
        with pytest.raises(UserError, match="no transitions"):
            _load(path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_cache_is_named(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([300]))
    _load(path, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    observations = folder / "observations.npy"
    observations.write_bytes(observations.read_bytes()[:200])
    with pytest.raises(UserError, match=f"{folder} are damaged.*Delete"):
        _load(path, tmp_path / "cache")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
def test_columns_are_mapped_not_read(tmp_path):
    (tmp_path / "x").mkdir()
    column = ColumnWriter(tmp_path / "x", "numbers", (), np.float32)
    column.append(np.arange(5))
    column.close()
    write_info(tmp_path / "x", {"a": 1})
    columns, info = read_store(tmp_path / "x")
    assert columns["numbers"].tolist() == [0, 1, 2, 3, 4] and info == {"a": 1}
    assert str(tmp_path / "x" / "numbers.npy") in Path("/proc/self/maps").read_text()


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """A dataset and the files of its cache, with what they hold."""
    root = tmp_path_factory.mktemp("cached")
    path = write_minari(root / "made", encoded_episodes([7, 5]))
    _load(path, root / "cache")
    (folder,) = (root / "cache").iterdir()
    return path, folder, {file: file.read_bytes() for file in sorted(folder.iterdir())}


_CUT, _FLIP, _ZERO = range(3)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from([_CUT, _FLIP, _ZERO]))
def test_any_damage_in_place_is_found(cached, data, kind):
    path, folder, files = cached
    file = data.draw(st.sampled_from(list(files)))
    content = bytearray(files[file])
    at = data.draw(st.integers(0, len(content) - 1))
    if kind == _CUT:
        del content[at:]
    elif kind == _FLIP:
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    stat = file.stat()
    try:
        file.write_bytes(content)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nobody sees it by the time
        if content == files[file]:
            _load(path, folder.parent)
        else:
            with pytest.raises(UserError, match=f"{folder} are damaged.*Delete that folder"):
                _load(path, folder.parent)
    finally:
        file.write_bytes(files[file])


def test_a_column_that_is_missing_or_has_no_checksum(cached):
    path, folder, files = cached
    for file in files:
        file.rename(folder.parent / "aside")
        with pytest.raises(UserError, match=f"{folder} are damaged"):
            _load(path, folder.parent)
        (folder.parent / "aside").rename(file)
    info = folder / "info.json"
    info.write_text(json.dumps(json.loads(info.read_text())["info"]))  # as it was before checksums
    with pytest.raises(UserError, match=r"damaged .*checksum of info\.json"):
        _load(path, folder.parent)
    info.write_bytes(files[info])
    assert _load(path, folder.parent) == sum(range(8)) + sum(range(6)) + 6


@pytest.mark.parametrize(
    "forged",
    [
        {"columns": {"../outside.npy": 0}, "info": {}},
        {"columns": ["rewards.npy"], "info": {}},
        {"columns": {}},
        {"info": {}},
    ],
)
def test_a_sealed_description_of_other_files_is_refused(tmp_path, forged):
    """Anybody can compute a checksum: what it covers is not trusted to name a file."""
    folder = tmp_path / "cached"
    folder.mkdir()
    np.save(tmp_path / "outside.npy", np.zeros(3))
    sealed = forged | {"checksum": store._seal(forged)}
    (folder / "info.json").write_text(json.dumps(sealed))
    with pytest.raises(UserError, match=rf"{folder} are damaged"):
        read_store(folder)
