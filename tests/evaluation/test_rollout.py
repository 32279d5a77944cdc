import gymnasium
import numpy as np
import pytest
import torch

from ivr.errors import UserError
from ivr.evaluation import rollout
from ivr.evaluation.rollout import evaluate
from ivr.evaluation.stepping import pool as pools
from ivr.evaluation.stepping.pool import EnvironmentPool
from tests.evaluation.evaluation_making import (
    Idle,
    PathFollower,
    antmaze_arguments,
    arguments,
    pendulum_arguments,
)
from tests.evaluation.evaluation_making import task as made


@pytest.fixture(scope="module")
def task():
    return made(arguments())


@pytest.fixture(scope="module")
def pool(task):
    with EnvironmentPool(task) as opened:
        yield opened


def same(a, b):
    return np.array_equal(a.returns, b.returns) and np.array_equal(a.lengths, b.lengths)


def test_the_shortest_way_succeeds_and_idling_does_not(pool, task):
    walker = PathFollower(task.maze, idle_members=(1,))
    result = evaluate(pool, walker, members=2, episodes=10, seed=0)
    assert np.array_equal(result.success_rate, [1.0, 0.0])
    assert np.array_equal(result.score, [100.0, 0.0])
    assert np.array_equal(result.returns, [[1.0] * 10, [0.0] * 10])
    assert (result.lengths[1] == 200).all() and (result.lengths[0] < 200).all()
    assert result.env_steps == result.lengths.sum() and result.seconds > 0


def test_an_episode_depends_on_its_member_and_seed_alone(pool, task, monkeypatch):
    walker = PathFollower(task.maze)
    alone = evaluate(pool, walker, members=1, episodes=6, seed=3)
    assert len(set(alone.lengths[0])) > 1  # or nothing could be told apart
    monkeypatch.setattr(rollout, "MAX_ENVIRONMENTS", 4)
    assert same(alone, evaluate(pool, walker, members=1, episodes=6, seed=3))
    both = evaluate(pool, walker, members=2, episodes=6, seed=3)
    assert np.array_equal(both.lengths, np.repeat(alone.lengths, 2, 0))
    assert walker.batches[-1] == (2, 1, 4)
    monkeypatch.setattr(rollout, "MAX_ENVIRONMENTS", 1)
    fewer = evaluate(pool, walker, members=1, episodes=4, seed=3)
    assert np.array_equal(fewer.lengths, alone.lengths[:, :4])
    assert not same(alone, evaluate(pool, walker, members=1, episodes=6, seed=4))


def test_processes_change_nothing(monkeypatch):
    task = made(antmaze_arguments(max_episode_steps=30))
    torch.manual_seed(0)
    weights = torch.randn(29, 8)

    class Linear(Idle):
        def act(self, observations):
            return torch.tanh(observations @ weights)

    finals = []
    monkeypatch.setattr(pools, "START", 0.0)
    for threshold, workers, processes in ((0.0, 3, 3), (np.inf, 2, 0), (0.0, 1, 0)):
        monkeypatch.setattr(pools, "CHEAP_STEP", threshold)
        with EnvironmentPool(task, workers) as pool:
            result = evaluate(pool, Linear(8), members=1, episodes=5, seed=0, record_paths=True)
            assert pool.processes == processes
            finals.append(np.array([path[-1] for path in result.paths[0]]))
    assert all(np.array_equal(finals[0], final) for final in finals)
    assert len(np.unique(finals[0], axis=0)) == 5


def test_paths_start_at_the_start_and_end_at_the_goal(pool, task):
    result = evaluate(
        pool, PathFollower(task.maze), members=1, episodes=3, seed=0, record_paths=True
    )
    for path, length in zip(result.paths[0], result.lengths[0], strict=True):
        assert path.shape == (length + 1, 2) and path.dtype == np.float32
        assert np.abs(path[0] - task.maze.centre(task.maze.start)).max() <= 0.25 + 1e-6
        assert np.linalg.norm(path[-1] - task.maze.centre(task.maze.goal)) <= 0.5
        assert np.linalg.norm(path[-2] - task.maze.centre(task.maze.goal)) > 0.5
    assert evaluate(pool, Idle(2), members=1, episodes=1, seed=0).paths is None


def test_returns_of_a_flat_environment_are_its_own():
    task = made(pendulum_arguments())
    result = evaluate(task, Idle(1), members=1, episodes=2, seed=5)
    env = task.make_env()
    for episode in range(2):
        env.reset(seed=rollout.episode_seed(5, episode))
        expected = sum(env.step(np.zeros(1, np.float32))[1] for _ in range(20))
        assert result.returns[0, episode] == pytest.approx(expected)
    assert result.success_rate is None and result.normalized_score is None
    assert np.array_equal(result.score, result.return_mean)


def test_a_diverged_policy_is_named(pool):
    class Diverged(Idle):
        def act(self, observations):
            actions = super().act(observations)
            actions[1] = float("nan")
            return actions

    with pytest.raises(UserError, match="member 1"):
        evaluate(pool, Diverged(2), members=3, episodes=2, seed=0)
    # The pool survives.
    assert evaluate(pool, Idle(2), members=1, episodes=1, seed=0).lengths[0, 0] == 200


def test_no_episodes_is_an_error(pool):
    with pytest.raises(UserError, match="episodes=0"):
        evaluate(pool, Idle(2), members=1, episodes=0, seed=0)


def test_torch_has_its_threads_back(pool):
    before = torch.get_num_threads()
    seen = []

    class Watching(Idle):
        def act(self, observations):
            seen.append(torch.get_num_threads())
            return super().act(observations)

    evaluate(pool, Watching(2), members=1, episodes=1, seed=0)
    assert set(seen) == {1} and torch.get_num_threads() == before


def test_a_closed_pool_can_be_used_again(task):
    pool = EnvironmentPool(task)
    first = evaluate(pool, Idle(2), members=1, episodes=1, seed=0)
    pool.close()
    assert pool.processes == 0
    assert same(first, evaluate(pool, Idle(2), members=1, episodes=1, seed=0))
    pool.close()


class Diary(Idle):
    """Idle, and writes down what it is told."""

    def begin(self, slots):
        self.pages = []

        def player(observations, rewards, starts):
            self.pages.append((observations, rewards, starts))
            return self.act(observations)

        return player


def test_a_policy_that_remembers_is_told_rewards_and_starts_slot_by_slot(monkeypatch):
    """Pendulum for 20 steps: two slots play three episodes, so one slot plays two."""
    monkeypatch.setattr(rollout, "MAX_ENVIRONMENTS", 2)
    monkeypatch.setattr(rollout, "GROUPS", 1)
    policy = Diary(1)
    result = evaluate(made(pendulum_arguments()), policy, members=1, episodes=3, seed=0)
    observations, rewards, starts = (
        torch.stack(parts)[:, 0] for parts in zip(*policy.pages, strict=True)
    )
    assert observations.shape == (40, 2, 3)
    assert starts.nonzero().tolist() == [[0, 0], [0, 1], [20, 0]]
    # The reward of an episode's last step comes with the start of the next one.
    assert rewards[1:21, 0].sum().item() == pytest.approx(result.returns[0, 0], rel=1e-5)
    assert rewards[1:21, 1].sum().item() == pytest.approx(result.returns[0, 1], rel=1e-5)
    env = made(pendulum_arguments()).make_env()
    for page, slot, episode in ((0, 0, 0), (0, 1, 1), (20, 0, 2)):
        expected, _ = env.reset(seed=rollout.episode_seed(0, episode))
        assert np.array_equal(observations[page, slot], expected)


class Lost(gymnasium.Env):
    """Its last observation, after 3 to 14 steps, is not a number."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.left = 0

    def reset(self, *, seed=None, options=None):
        self.left = int(np.random.default_rng(seed).integers(3, 15))
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.left -= 1
        last = np.full(3, np.nan if self.left == 0 else 0, np.float32)
        return last, 1.0, self.left == 0, False, {}


def test_an_observation_that_no_policy_acts_on_may_be_anything():
    class Echo(Idle):
        def act(self, observations):
            return torch.tanh(observations[..., :1])

    gymnasium.register("Lost-v0", Lost)
    try:
        lost = made(pendulum_arguments(env="Lost-v0"))
        lengths = evaluate(lost, Echo(1), members=2, episodes=8, seed=0).lengths
    finally:
        del gymnasium.registry["Lost-v0"]
    assert len(set(lengths[0])) > 1, "or no row would wait for another one"


class Passing(gymnasium.Env):
    """Succeeds at the third of its steps alone, and plays on."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(3, np.float32), {"success": False}

    def step(self, action):
        self.steps += 1
        return np.zeros(3, np.float32), 0.0, False, False, {"success": self.steps == 3}


def test_a_success_counts_even_where_the_episode_goes_on():
    gymnasium.register("Passing-v0", Passing)
    try:
        passing = made(pendulum_arguments(env="Passing-v0", metric="success"))
        result = evaluate(passing, Idle(1), members=1, episodes=3, seed=0)
    finally:
        del gymnasium.registry["Passing-v0"]
    assert result.success_rate == [1.0] and (result.lengths == 20).all()
