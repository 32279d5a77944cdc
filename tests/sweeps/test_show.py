"""The status line counts and estimates; the table says what failed and why."""

import time
from pathlib import Path

from ivr.sweeps.jobs import Job
from ivr.sweeps.show import remaining, status_line, summary, table


def job(name: str, status: str, updates: int = 0, seconds: float | None = None, **more) -> Job:
    return Job(name, status, updates, 100 if seconds else None, seconds, **more)


JOBS = [
    job("a", "done", 100, 60.0, scores=[1.0, 3.0]),
    job("b", "done", 100, 120.0, scores=[50.0]),
    job("c", "running", 50, 40.0, owner="process 7 on host"),
    job("d", "stopped", 25, 20.0),
    job("e", "waiting"),
    job("f", "failed", error="alpha=0.1: iql has no alpha"),
]


def test_the_rest_takes_as_long_as_what_is_done() -> None:
    # A job takes (60 + 120) / 2 = 90 s; left are 0.5 + 0.75 + 1 of one, one at once.
    assert remaining(JOBS) == 90 * 2.25
    # Before one is done: 40 s were half of a job, 20 s a quarter of one: 80 s each.
    assert remaining(JOBS[2:]) == 80 * 2.25
    twice = [*JOBS, job("g", "running", 50, 40.0)]
    assert remaining(twice) == 90 * 2.75 / 2
    assert remaining([JOBS[4]]) is None


def test_nothing_is_compared_before_a_job_is_done() -> None:
    running = job("a", "running", 50, 40.0, scores=[1.0])
    assert "compare:" not in summary(Path("night"), [running])
    assert "compare:  python report.py folder=night" in summary(Path("night"), [running, *JOBS])


def test_one_line_says_how_it_stands() -> None:
    at = time.mktime((2026, 1, 5, 12, 0, 0, 0, 0, -1))
    assert status_line("night", JOBS, at) == (
        "sweep night: 2 of 6 jobs done, 1 running, 1 failed, 2 left (1 of them begun), "
        "about 3 min to go (until Mon 12:03)"
    )
    killed = [*JOBS[4:], job("g", "killed", 25, 20.0)]
    assert status_line("x", killed, at) == (
        "sweep x: 0 of 3 jobs done, 1 killed, 1 failed, 2 left (1 of them begun), "
        "about 2 min to go (until Mon 12:02)"
    )
    assert "killed: g: its process ended without a word" in summary("x", killed)
    assert status_line("x", JOBS[:1]) == "sweep x: 1 of 1 job done"


def test_the_table_has_mean_scores_and_what_failed() -> None:
    rows = table(JOBS).splitlines()
    assert rows[1].split() == ["a", "2.0", "±", "1.0", "2", "100", "60", "s", "done"]
    assert rows[5].split() == ["e", "-", "-", "0", "-", "waiting"]
    text = summary("outputs/sweeps/night", JOBS)
    assert "failed: f: alpha=0.1: iql has no alpha\n" in text
    assert "running: c: process 7 on host\n" in text
    assert "python report.py folder=outputs/sweeps/night" in text
