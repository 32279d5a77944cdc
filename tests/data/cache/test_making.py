"""A folder is made whole or not at all, by one process at a time, in whatever container it runs."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from ivr.data.cache import making
from ivr.data.cache.making import make_folder
from ivr.errors import UserError

# As in another container: its processes have other numbers, and none of them is known here.
_MAKER = """
import os, platform, sys
from pathlib import Path
os.getpid, platform.node = (lambda: 2**22 + 1), (lambda: "other-host")
from ivr.data.cache.making import make_folder
def fill(folder):
    (folder / "theirs").write_text("half")
    print("making", flush=True)
    sys.stdin.readline()
    if len(sys.argv) > 2:
        raise ValueError
make_folder(Path(sys.argv[1]), 1, "IVR_CACHE", fill)
"""


@contextmanager
def _another_maker(final: Path, *fails: str):
    """A process that makes `final` until a line is written to it."""
    command = [sys.executable, "-c", _MAKER, str(final), *fails]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"making\n"
        try:
            yield process
        finally:
            process.kill()


def _fill(folder: Path) -> None:
    (folder / "ours").write_text("whole")


def _names(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


@pytest.mark.parametrize("fails", [[], ["fails"]])
def test_the_second_maker_waits_for_the_first_and_names_it(tmp_path, monkeypatch, fails):
    monkeypatch.setattr(making, "_PATIENCE", 0.01)
    final = tmp_path / "x-0a"
    with _another_maker(final, *fails) as process:
        threading.Timer(0.2, process.stdin.close).start()  # now it goes on
        with pytest.warns(UserWarning, match=rf"Process 4194305 on other_host.* is making {final}"):
            make_folder(final, 1, "IVR_CACHE", _fill)
    assert _names(final) == (["ours"] if fails else ["theirs"])
    assert _names(tmp_path) == ["x-0a"]


def test_only_what_a_killed_maker_left_is_removed(tmp_path):
    final = tmp_path / "x-0a"
    with _another_maker(final) as process:
        (half,) = tmp_path.glob(".building-*")
        make_folder(tmp_path / "other", 1, "IVR_CACHE", _fill)
        assert (half / "theirs").exists()  # it is at work, though no process here has its number
        process.send_signal(signal.SIGKILL)
    assert half.exists() and not final.exists()
    make_folder(tmp_path / "third", 1, "IVR_CACHE", _fill)  # of another name: it is removed too
    assert _names(tmp_path) == ["other", "third"]
    make_folder(final, 1, "IVR_CACHE", _fill)
    assert _names(final) == ["ours"]


def test_without_locks_the_first_to_end_stays(tmp_path, monkeypatch):
    def no_locks(self, *args, **keys):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(making.FileLock, "acquire", no_locks)

    def overtaken(folder: Path) -> None:
        (folder / "late").touch()
        make_folder(tmp_path / "x", 1, "IVR_CACHE", _fill)

    make_folder(tmp_path / "x", 1, "IVR_CACHE", overtaken)
    assert _names(tmp_path / "x") == ["ours"]
    assert _names(tmp_path) == ["x"]


def test_without_room_nothing_is_begun(tmp_path, monkeypatch):
    room = shutil.disk_usage(tmp_path)
    with pytest.raises(UserError, match=r"No space left .*set IVR_CACHE"):
        make_folder(tmp_path / "x", 2 * room.total, "IVR_CACHE", lambda folder: pytest.fail())
    assert _names(tmp_path) == []
    unknown = room._replace(free=0)
    monkeypatch.setattr(making.shutil, "disk_usage", lambda folder: unknown)
    make_folder(tmp_path / "x", 2 * room.total, "IVR_CACHE", _fill)
    assert _names(tmp_path) == ["x"]


def test_what_cannot_be_made_leaves_nothing(tmp_path):
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(UserError, match=r"No space left.*about 1,234 bytes.*set IVR_CACHE"):
        make_folder(tmp_path / "x", 1234, "IVR_CACHE", full)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write .*file.*set IVR_CACHE|Set IVR_CACHE"):
        make_folder(tmp_path / "file" / "x", 1, "IVR_CACHE", _fill)
    assert _names(tmp_path) == ["file"]
