"""A cache that is killed while it is built, that cannot be written, or that is another user's."""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ivr.data.opening import check_available
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari

# Not "fork": a process with threads, as torch makes them, may stop for ever in its copy.
CLEAN = multiprocessing.get_context("forkserver")


def _load(path: Path, cache: Path) -> str:
    data = load_dataset(name="x", path=path, view="flat", cache=cache)
    return f"{data.info.fingerprint} {float(data.observations.sum())}"


def test_conversions_killed_at_any_moment_leave_nothing_half_made(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([4] * 300))
    expected = _load(path, tmp_path / "elsewhere")
    cache = tmp_path / "cache"
    for delay in (0, 0.01, 0.03, 0.06, 0.1, 0.2):
        process = CLEAN.Process(target=_load, args=(path, cache))
        process.start()
        while process.is_alive() and not list(cache.glob("*")) + list(cache.glob(".building-*")):
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        left = [folder for folder in cache.iterdir() if folder.name[0] != "."]
        assert len(list(cache.glob(".building-*"))) <= 1  # what earlier ones left is gone
        if left:  # it was done before it was killed
            assert _load(path, cache) == expected
            left[0].rename(tmp_path / f"done-{delay}")
    assert _load(path, cache) == expected
    assert [folder.name[0] for folder in cache.iterdir()] == ["x"]


def _as_another_user(folder: Path, answer: Connection) -> None:
    # By relative paths, as this user may not look into pytest's folders.
    os.chdir(folder)
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        check_available(DataSpec(name="x", path="made"))
        answer.send(_load(Path("made"), Path("cache")))
    except UserError as error:
        answer.send(f"UserError: {error}")
    except BaseException as error:
        answer.send(repr(error))


def _ask_another_user(folder: Path) -> str:
    ours, theirs = CLEAN.Pipe()
    process = CLEAN.Process(target=_as_another_user, args=(folder, theirs))
    process.start()
    assert ours.poll(60)
    answer = ours.recv()
    process.join(30)
    return answer


@pytest.fixture
def folder(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3, 4]))
    for part in (tmp_path, path, *path.rglob("*")):
        part.chmod(0o755)
    (tmp_path / "cache").mkdir()
    yield tmp_path
    (tmp_path / "cache").chmod(0o755)


def test_a_ready_cache_is_used_where_nothing_can_be_written(folder):
    expected = _load(folder / "made", folder / "cache")
    (folder / "cache").chmod(0o555)
    assert _ask_another_user(folder) == expected


def test_a_cache_that_cannot_be_written_is_told(folder):
    (folder / "cache").chmod(0o555)
    answer = _ask_another_user(folder)
    assert answer.startswith("UserError: Cannot write cache/x-") and "Set IVR_CACHE to" in answer
    assert list((folder / "cache").iterdir()) == []


@pytest.mark.parametrize("inside", [False, True])
def test_a_cache_that_cannot_be_read_is_told(folder, inside):
    _load(folder / "made", folder / "cache")
    hidden = next((folder / "cache").iterdir()) if inside else folder / "cache"
    hidden.chmod(0o000)
    answer = _ask_another_user(folder)
    hidden.chmod(0o755)
    assert answer.startswith("UserError: ") and "IVR_CACHE" in answer, answer
    assert "Permission denied" in answer


def test_data_that_may_not_be_read_are_told(folder):
    (folder / "made").chmod(0o000)
    answer = _ask_another_user(folder)
    (folder / "made").chmod(0o755)
    assert answer.startswith("UserError: Cannot read made/data/metadata.json"), answer
