import os
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

import psutil
import pytest

from ivr.data.generation.shards import shards
from ivr.errors import UserError


def _told(start: int, number: int) -> tuple[int, str, int]:
    return start + number, os.environ["OMP_NUM_THREADS"], os.getpid()


def _broken(number: int) -> int:
    return 1 // (3 - number)


def _endless(number: int) -> int:
    while True:
        time.sleep(number + 1)


@pytest.mark.parametrize("processes", [1, 3])
def test_pieces_come_in_order_from_processes_of_one_thread_that_end(processes, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with closing(shards(partial(_told, 10), processes)) as pieces:
        found = list(islice(pieces, 8))
    assert [value for value, _, _ in found] == list(range(10, 18))
    assert {threads for _, threads, _ in found} == {"1"}
    workers = {pid for _, _, pid in found}
    assert len(workers) == processes and os.getpid() not in workers
    assert not any(map(psutil.pid_exists, workers))
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_process_that_fails_is_told(capfd):
    with pytest.raises(UserError, match="ended before its work was done"):
        list(shards(_broken, 2))
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_process_ends_with_the_one_that_started_it_even_in_the_middle_of_its_work():
    code = (
        "from ivr.data.generation.shards import shards\n"
        "from tests.data.generation.test_shards import _endless\n"
        "list(shards(_endless, 1))"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    deadline = time.monotonic() + 60
    # Its own, and the one that multiprocessing keeps for itself.
    while len(workers := psutil.Process(starter.pid).children(recursive=True)) < 2:
        assert starter.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)  # it may not have begun yet; either way it has to end
    starter.kill()
    starter.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    for process in alive:
        process.kill()
    assert not alive
