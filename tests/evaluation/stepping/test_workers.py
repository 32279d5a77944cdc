"""Environments in processes of their own: what goes wrong there, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest

from ivr.errors import UserError
from ivr.evaluation.rollout import evaluate
from ivr.evaluation.stepping import pool as pools
from ivr.evaluation.stepping.environments import Failure
from ivr.evaluation.stepping.pool import EnvironmentPool
from tests.evaluation.evaluation_making import Idle, pendulum_arguments
from tests.evaluation.evaluation_making import task as made


@pytest.fixture(autouse=True)
def costly(monkeypatch):
    monkeypatch.setattr(pools, "CHEAP_STEP", 0.0)
    monkeypatch.setattr(pools, "START", 0.0)


@pytest.fixture
def pool():
    with EnvironmentPool(made(pendulum_arguments()), workers=2) as opened:
        yield opened


def sweep(pool, policy=None):
    return evaluate(pool, policy or Idle(1), members=1, episodes=4, seed=0)


def test_processes_end_with_the_pool(pool):
    sweep(pool)
    processes = [worker.process for worker in pool._workers]
    assert len(processes) == 2 and all(p.poll() is None for p in processes)
    pool.close()
    assert [p.poll() for p in processes] == [0, 0]


def test_processes_are_started_once_all_steps_take_longer_than_that(pool, monkeypatch):
    monkeypatch.setattr(pools, "START", 2.0)
    monkeypatch.setattr(pools, "_trial_seconds", lambda env: [0.5, 0.01])
    for steps, processes in ((199, 0), (1, 2), (0, 2)):
        pool.grow(4, steps)
        assert pool.processes == processes


def test_a_process_does_without_torch():
    """Which takes seconds to import, and a hundred megabytes."""
    code = (
        "import sys, ivr.evaluation.stepping.serve, ivr.evaluation.stepping.environments;"
        "print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).endswith("False\n")


def test_no_module_of_the_working_folder_goes_before_pythons_own(pool, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise ImportError('not the one that was meant')")
    monkeypatch.chdir(tmp_path)
    pool.grow(2, 1)
    assert pool.processes == 2


def test_a_process_ends_when_this_side_is_gone(pool):
    """As where the training is killed: the pipe closes, and nobody asks it to end."""
    pool.grow(2, 1)
    worker = pool._workers[0]
    os.close(worker.connection.fileno())
    assert worker.process.wait(20) == 0
    worker.connection._handle = None  # closed already


def test_ctrl_c_does_not_reach_a_process(pool):
    pool.grow(2, 1)
    for worker in pool._workers:
        assert os.getpgid(worker.process.pid) != os.getpgid(0)


def test_a_killed_process_is_told_and_the_pool_recovers(pool):
    class Killing(Idle):
        calls = 0

        def act(self, observations):
            self.calls += 1
            if self.calls == 5:
                pool._workers[0].process.send_signal(signal.SIGKILL)
                pool._workers[0].process.wait()
            return super().act(observations)

    expected = sweep(pool)
    with pytest.raises(UserError, match="ended"):
        sweep(pool, Killing(1))
    assert np.array_equal(sweep(pool).returns, expected.returns)


def test_an_interrupted_sweep_leaves_nothing_unread(pool):
    class Interrupted(Exception):
        pass

    class Interrupting(Idle):
        calls = 0

        def act(self, observations):
            self.calls += 1
            if self.calls == 7:
                raise Interrupted
            return super().act(observations)

    expected = sweep(pool)
    with pytest.raises(Interrupted):
        sweep(pool, Interrupting(1))
    assert pool.processes == 2
    assert np.array_equal(sweep(pool).returns, expected.returns)


class Failing(gymnasium.Env):
    """Known to this process alone, and fails at its fifth step in an episode."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 5 and action != 0:
            raise ZeroDivisionError("the fifth step")
        time.sleep(0)
        return np.zeros(3, np.float32), 1.0, False, False, {}


def test_an_environment_of_this_process_alone_is_stepped_here():
    gymnasium.register("Failing-v0", Failing, max_episode_steps=10)
    try:
        task = made(pendulum_arguments(env="Failing-v0"))
        with EnvironmentPool(task, workers=2) as pool:
            assert (sweep(pool).returns == 20).all()
            assert pool.processes == 0
    finally:
        del gymnasium.registry["Failing-v0"]


class Plain(Failing):
    """As in a first tutorial: its constructor takes nothing."""

    def __init__(self):
        super().__init__()


def test_a_constructor_need_not_know_of_rendering():
    gymnasium.register("Plain-v0", entry_point=Plain, max_episode_steps=10)
    try:
        with EnvironmentPool(made(pendulum_arguments(env="Plain-v0")), workers=1) as pool:
            assert (sweep(pool).returns == 20).all()
    finally:
        del gymnasium.registry["Plain-v0"]


def test_what_an_environment_raises_is_told(pool, monkeypatch):
    pool.grow(2, 1)
    pool.send([0, 1], np.zeros((2, 7, 7), np.float32))  # actions of another shape
    slots, steps = pool.receive()
    assert slots == [0, 1]
    assert all(isinstance(step, Failure) and "it raised " in step.reason for step in steps)
    pool.settle()
    assert sweep(pool).returns.shape == (1, 4)
