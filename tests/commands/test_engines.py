"""Real sweeps on joblib, submitit and a Ray cluster of two nodes, to the bits of a plain sweep."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ivr.sweeps.index import read_sweep
from tests.commands.test_resume import assert_equal_runs, last_update
from tests.commands.test_sweep import ended, start

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("small_pointmaze")]

SWEPT = ("sweep=night", "algo=sql,bc", "discount=0.9,0.99")
RAY = Path(sys.executable).parent / "ray"


@pytest.fixture(scope="module")
def plain(tmp_path_factory, small_pointmaze) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "night"
    ended(start(folder, *SWEPT))
    return folder


def assert_done_as(plain: Path, folder: Path) -> None:
    jobs = read_sweep(folder)
    assert {job.name: job.status for job in jobs} == {job.name: "done" for job in read_sweep(plain)}
    for job in jobs:
        assert_equal_runs(folder / job.name, plain / job.name)


@pytest.mark.parametrize("launcher", ["joblib", "submitit"])
def test_jobs_side_by_side_have_the_same_results(launcher, tmp_path, plain):
    folder = tmp_path / "night"
    said = ended(start(folder, f"launcher={launcher}", *SWEPT))
    assert "sweep night: 4 of 4 jobs done" in said
    assert_done_as(plain, folder)
    # What is done is no other job for having run elsewhere.
    assert "left" not in ended(start(folder, *SWEPT))


def node(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [RAY, "start", "--block", "--num-cpus=1", "--disable-usage-stats", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def owner_pid(folder: Path) -> int | None:
    """Of the process that trains in a folder."""
    try:
        return int(json.loads((folder / ".owner.json").read_text())["pid"])
    except (OSError, ValueError):
        return None


def kill(process: subprocess.Popen[str]) -> None:
    """With all that it started."""
    try:
        found = psutil.Process(process.pid)
        for one in (*found.children(recursive=True), found):
            one.kill()
    except psutil.NoSuchProcess:
        pass
    process.wait()


@pytest.fixture
def cluster(tmp_path_factory) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a head, and a second node."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = tmp_path_factory.mktemp("r")
    head = node("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={places}")
    address = f"127.0.0.1:{port}"
    deadline = time.monotonic() + 200
    try:
        asked = [RAY, "status", f"--address={address}"]
        while subprocess.run(asked, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "Ray does not start"
            time.sleep(1)
        second = node(f"--address={address}")
        try:
            yield address, second
        finally:
            kill(second)
    finally:
        kill(head)


def test_a_node_of_ray_is_killed_and_its_job_resumes_on_the_other(tmp_path, plain, cluster):
    address, second = cluster
    folder = tmp_path / "night"
    os.environ["RAY_ADDRESS"] = address
    try:
        process = start(folder, "launcher=ray", *SWEPT)
    finally:
        del os.environ["RAY_ADDRESS"]
    deadline = time.monotonic() + 600
    lost = None
    while lost is None:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline, "no job runs on the second node"
        ours = {p.pid for p in psutil.Process(second.pid).children(recursive=True)}
        for job in folder.glob("*/checkpoints/last.ckpt"):
            there = job.parents[1]
            if owner_pid(there) in ours and 60 <= last_update(there) < 280:
                lost = there
        time.sleep(0.02)
    before = last_update(lost)
    kill(second)
    assert "4 of 4 jobs done" in ended(process)
    assert before < 300 and not (lost / ".owner.json").exists()
    assert_done_as(plain, folder)
