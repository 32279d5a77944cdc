"""Training episodes: counted, a function of seed and step, and resumed where they were."""

import math

import numpy as np
import pytest
import torch

from ivr.errors import UserError
from ivr.evaluation.rollout import EvaluationError
from tests.online.collecting import COUNTED, LIMIT, Walk, collector

STEPS = 60


@pytest.fixture(autouse=True)
def counted():
    COUNTED.update(resets=0, steps=0)


def columns(found, member=0):
    return [c[member, : found.steps] for c in found.buffer.columns[:5]]


def test_every_step_of_the_environments_is_counted_and_no_other():
    found = collector()
    found.collect(25)
    found.pool.close()
    tried_out = 8  # steps that decide whether processes are worth while
    assert COUNTED["steps"] == 2 * 25 + tried_out
    assert found.steps == 25
    found.collect(25)
    assert found.steps == 25


def test_the_transitions_are_those_of_the_environment():
    found = collector()
    found.collect(STEPS)
    states, actions, rewards, terminated, following = columns(found)
    # A step moves by the action in the environment's units.
    moved = states[:, :1] + (-0.9 + 0.8 * (actions + 1))
    torch.testing.assert_close(following[:, :1], moved)
    torch.testing.assert_close(rewards, 2 * following[:, 0] - 1)
    assert torch.equal(terminated.bool(), following[:, 0].abs() > 2)
    # A time limit is no end: its transition is not terminated, and an episode begins after it.
    begun = (states[1:] != following[:-1]).any(-1)
    ends = [episode.steps for episode in found.episodes[0]]
    assert (begun.nonzero().flatten() + 1).tolist() == [e for e in ends if e < STEPS]
    lengths = [episode.length for episode in found.episodes[0]]
    assert max(lengths) == LIMIT and min(lengths) < LIMIT
    for episode in found.episodes[0]:
        part = slice(episode.steps - episode.length, episode.steps)
        raw = (rewards[part].double() + 1) / 2
        assert episode.total == pytest.approx(float(raw.sum()), abs=1e-5)
        weights = 0.5 ** torch.arange(episode.length)
        assert episode.discounted == pytest.approx(float((weights * rewards[part]).sum()), abs=1e-5)
        first = part.start
        assert episode.predicted == pytest.approx(float(states[first, 0] + actions[first, 0]))
        assert episode.fell == bool(terminated[part][-1])


def test_finished_tasks_pay_at_every_step_as_the_data_record_them():
    """Kitchen's environment pays each once, and so does an episode's return."""
    found = collector(metric="tasks")
    found.collect(STEPS)
    found.pool.close()
    rewards = columns(found)[2]
    for episode in found.episodes[0]:
        part = slice(episode.steps - episode.length, episode.steps)
        assert rewards[part].tolist() == [2.0 * (t // 2) - 1 for t in range(1, episode.length + 1)]
        assert episode.total == episode.length // 2


def test_a_member_sees_what_its_seed_alone_would_have_seen():
    together, alone = collector((4, 9)), collector((9,))
    together.collect(STEPS), alone.collect(STEPS)
    for a, b in zip(columns(together, 1), columns(alone), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(columns(together, 0)[1], columns(together, 1)[1])
    assert together.episodes[1] == alone.episodes[0]


@pytest.mark.parametrize("stops", [[3], [7, 20, 21], [15, 40]])
@pytest.mark.parametrize("capacity", [60, 13])
def test_resumed_in_the_middle_of_an_episode_it_is_as_if_it_had_not_stopped(stops, capacity):
    whole = collector(capacity=capacity)
    for steps in (*stops, STEPS):
        whole.collect(steps)
    state = None
    for steps in (*stops, STEPS):
        found = collector(capacity=capacity)
        if state is not None:
            found.load_state_dict(state)
        found.collect(steps)
        state = found.state_dict()
        found.pool.close()
    assert state is not None
    for a, b in zip(found.buffer.columns[:5], whole.buffer.columns[:5], strict=True):
        assert torch.equal(a, b)
    assert repr(found.episodes) == repr(whole.episodes)
    assert found.gate_share() == whole.gate_share()


def test_an_environment_that_does_not_repeat_itself_is_told(monkeypatch):
    found = collector()
    found.collect(next(n for n in range(3, STEPS) if _under_way(n)))
    state = found.state_dict()
    monkeypatch.setattr(Walk, "step", _drifting(Walk.step))
    again = collector()
    again.load_state_dict(state)
    with pytest.raises(UserError, match="Walk-v0 does not repeat itself"):
        again.collect(STEPS)


def _under_way(steps: int) -> bool:
    found = collector()
    found.collect(steps)
    return all(length > 0 for length in found.state_dict()["length"])


def _drifting(step):
    def drifted(self, action):
        seen, *rest = step(self, action)
        return seen + 1e-3, *rest

    return drifted


def test_an_environment_that_fails_is_named_with_its_episode(monkeypatch):
    def failing(self, action):
        raise ValueError("the track is blocked")

    found = collector()
    found.collect(20)
    monkeypatch.setattr(Walk, "step", failing)
    with pytest.raises(EvaluationError, match=r"Walk-v0 failed in training episode \d+ of seed0"):
        found.collect(STEPS)


def test_a_reward_that_is_not_finite_is_the_environments_fault(monkeypatch):
    found = collector()
    found.collect(5)
    monkeypatch.setattr(Walk, "step", lambda *_: (np.zeros(2), math.nan, False, False, {}))
    with pytest.raises(EvaluationError, match=r"seed0.*: its reward is not finite"):
        found.collect(6)


@pytest.mark.parametrize("terminated", [True, False])
def test_a_last_observation_that_is_not_finite(monkeypatch, terminated):
    """Nothing is learned from a last state; where the time was up, its value is asked for."""

    def broken(self, action):
        self.count = getattr(self, "count", 0) + 1
        return np.array([np.nan, 0.0]), 0.0, terminated, not terminated, {}

    found = collector()
    found.collect(5)
    monkeypatch.setattr(Walk, "step", broken)
    if not terminated:
        with pytest.raises(EvaluationError, match="is not finite"):
            found.collect(6)
        return
    found.collect(6)
    last = [column[:, 5] for column in found.buffer.columns[:5]]
    assert all(column.isfinite().all() for column in last) and bool(last[3].all())


def test_the_gates_share_is_that_of_the_steps_since_it_was_last_asked():
    found = collector()
    assert found.gate_share() is None
    found.collect(40)
    shares = found.gate_share()
    assert shares is not None and all(0.2 < share < 0.8 for share in shares)
    assert found.gate_share() is None
