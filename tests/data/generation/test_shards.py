import multiprocessing
import os
import signal
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
    assert 1 <= len(workers) <= processes and os.getpid() not in workers
    assert not any(map(psutil.pid_exists, workers))
    assert os.environ["OMP_NUM_THREADS"] == "7"


def _killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_process_that_is_killed_is_one_message_and_the_others_end():
    with pytest.raises(UserError, match="was killed before its work was done"):
        list(shards(_killed, 2))
    assert not multiprocessing.active_children()


def test_an_error_inside_is_raised_here_and_the_processes_end():
    with pytest.raises(ZeroDivisionError):
        list(shards(_broken, 2))
    assert not multiprocessing.active_children()


_ENDLESS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from ivr.data.generation.shards import shards
from tests.data.generation.test_shards import _endless
list(shards(_endless, 2))
"""


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_ctrl_c_ends_them_all_without_a_word_of_theirs(seconds):
    """Ctrl-C reaches every process of the terminal at once."""
    starter = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    workers = _workers(starter, 3)
    time.sleep(seconds)  # a process imports at first, and is in the middle of its work later
    os.killpg(starter.pid, signal.SIGINT)
    _, said = starter.communicate(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert said.count("Traceback") == 1 and said.endswith("KeyboardInterrupt\n")


def _workers(starter: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """Its processes, of which multiprocessing keeps one for itself."""
    deadline = time.monotonic() + 60
    while len(workers := psutil.Process(starter.pid).children(recursive=True)) < count:
        assert starter.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return workers


def test_a_process_ends_with_the_one_that_started_it_even_in_the_middle_of_its_work():
    starter = subprocess.Popen([sys.executable, "-c", _ENDLESS], cwd=Path(__file__).parents[3])
    workers = _workers(starter, 3)
    time.sleep(0.5)  # it may not have begun yet; either way it has to end
    starter.kill()
    starter.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    for process in alive:
        process.kill()
    assert not alive
