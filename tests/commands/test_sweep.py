"""Whole sweeps that are killed, shared by two processes, moved, and short of disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ivr.sweeps.index import read_sweep
from tests.commands.test_resume import ROOT, WORDS, assert_equal_runs, last_update
from tests.running import SMALL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_pointmaze")]

SWEPT = ("algo=sql,eql,iql,bc", "discount=0.9,0.95,0.99")
JOBS = 12


def command(folder: Path, *words: str) -> list[str]:
    own = (w for w in WORDS if not w.startswith(("seed", "algo.actor_dropout")))
    return [sys.executable, "train.py", *SMALL, *own, *words, f"hydra.sweep.dir={folder}"]


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, *words),
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=900)[0]
    assert process.returncode == 0, said[-3000:]
    return said


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, small_pointmaze) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "night"
    ended(start(folder, "sweep=night", *SWEPT))
    return folder


def assert_equal_sweeps(folder: Path, uninterrupted: Path) -> None:
    jobs = read_sweep(folder)
    assert sorted(job.name for job in jobs) == sorted(job.name for job in read_sweep(uninterrupted))
    assert [job.status for job in jobs] == ["done"] * JOBS
    for job in jobs:
        assert_equal_runs(folder / job.name, uninterrupted / job.name)


def killed(folder: Path, jobs: int, update: int, *words: str) -> None:
    """Start the sweep, and kill it in its job after so many, after so many updates."""
    process = start(folder, "sweep=night", *words)
    deadline = time.monotonic() + 600
    while True:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline, "the sweep made no progress"
        done = list(folder.glob("*/job.json"))
        begun = [path.parent for path in folder.glob("*/metrics.csv")]
        half = [path for path in begun if path / "job.json" not in done]
        if len(done) >= jobs and any(last_update(path) >= update for path in half):
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_sweep_killed_three_times_has_the_same_results(tmp_path, uninterrupted):
    folder = tmp_path / "night"
    killed(folder, 0, 60, *SWEPT)
    killed(folder, 4, 180, *reversed(SWEPT))
    # Elsewhere from here on, as if on another machine.
    shutil.move(folder, tmp_path / "elsewhere")
    killed(tmp_path / "elsewhere", 9, 20, "discount=0.99,0.9,0.95", "algo=bc,iql,eql,sql")
    said = ended(start(tmp_path / "elsewhere", "sweep=night", *SWEPT))
    assert "12 of 12 jobs done" in said
    assert_equal_sweeps(tmp_path / "elsewhere", uninterrupted)
    began = time.monotonic()
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.name != "sweep.json"}
    ended(start(tmp_path / "elsewhere", "sweep=night", *SWEPT))
    assert {p: p.stat().st_mtime_ns for p in before} == before, began


def test_two_sweeps_in_one_folder_share_the_work(tmp_path, uninterrupted):
    folder = tmp_path / "night"
    processes = [start(folder, "sweep=night", *SWEPT) for _ in range(2)]
    said = [ended(process) for process in processes]
    assert any("left to another process" in text or "running" in text for text in said)
    assert_equal_sweeps(folder, uninterrupted)
    finished = [text.count(": finished at update") for text in said]
    # One may find a job that the other has just ended: it has nothing left to train.
    found = sum(text.count("so there is nothing left to train") for text in said)
    assert min(finished) >= 2 and sum(finished) - found == JOBS, (finished, found)


def test_a_disk_that_fills_up_stops_the_sweep_with_one_message(tmp_path, uninterrupted):
    """Where a checkpoint is to be written, the third time."""
    folder = tmp_path / "night"
    killed(folder, 1, 20, *SWEPT)
    full = tmp_path / "full.py"
    full.write_text(
        "import errno, os\n"
        "written = []\n"
        "def fsync(handle):\n"
        "    written.append(os.readlink(f'/proc/self/fd/{handle}'))\n"
        "    if sum('last.ckpt' in path for path in written) > 2:\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "os.fsync = fsync\n"
        "from ivr.config.entry import main\n"
        "main('train')\n"
    )
    arguments = command(folder, "sweep=night", *SWEPT)
    done = subprocess.run(
        [arguments[0], str(full), *arguments[2:]], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.count("No space left on device") == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    ended(start(folder, "sweep=night", *SWEPT))
    assert_equal_sweeps(folder, uninterrupted)
    assert all(json.loads(p.read_text())["status"] == "done" for p in folder.glob("*/job.json"))
