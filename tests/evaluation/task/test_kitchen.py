"""The D4RL evaluation of Kitchen: tasks completed in an episode, each counted once."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium_robotics.envs.franka_kitchen.kitchen_env import OBS_ELEMENT_GOALS as GOALS
from gymnasium_robotics.envs.franka_kitchen.kitchen_env import OBS_ELEMENT_INDICES as PLACES
from omegaconf import OmegaConf

from ivr.config.dataset import parse_dataset
from ivr.errors import UserError
from ivr.evaluation.rollout import EnvironmentPool, evaluate
from ivr.evaluation.task.task import Task
from tests.evaluation.evaluation_making import Idle, make, pendulum_arguments
from tests.evaluation.evaluation_making import task as made
from tests.running import composed

FOUR = ["microwave", "kettle", "light switch", "slide cabinet"]


def _kitchen(name: str = "complete", **changed) -> Task:
    config = OmegaConf.to_container(composed((f"dataset=kitchen-{name}",)).dataset, resolve=True)
    sizes = {"observation_dim": 59, "action_low": [-1.0] * 9, "action_high": [1.0] * 9}
    keys = dataclasses.asdict(parse_dataset(config)[1])
    return made(keys | sizes | {"env_spec": None} | changed)


def _do(env, *tasks: str) -> None:
    """Put what belongs to the tasks where it belongs."""
    kitchen = env.unwrapped
    for task in tasks:
        kitchen.data.qpos[PLACES[task]] = GOALS[task]


def test_the_observation_is_that_entry_alone():
    env = _kitchen().make_env()
    observation, _ = env.reset(seed=5)
    assert observation.shape == (59,) and observation.dtype == np.float32
    plain = gymnasium.make("FrankaKitchen-v1", tasks_to_complete=FOUR)
    assert np.array_equal(observation, plain.reset(seed=5)[0]["observation"].astype(np.float32))
    env.close()
    plain.close()


def test_a_task_counts_once_and_the_last_one_ends_the_episode():
    env = _kitchen().make_env()
    env.reset(seed=0)
    idle = np.zeros(9, np.float32)
    told = []
    for tasks in ((), ("microwave",), ("microwave", "slide cabinet"), FOUR):
        _do(env, *tasks)
        _, reward, terminated, _, info = env.step(idle)
        told.append((reward, terminated, len(info["episode_task_completions"])))
    assert told == [(0, False, 0), (1, False, 1), (1, False, 2), (2, True, 4)]
    env.close()


@pytest.mark.parametrize(
    ("name", "limit", "tasks"),
    [
        ("complete", 280, set(FOUR)),
        ("partial", 280, set(FOUR)),
        ("mixed", 280, {"microwave", "kettle", "bottom burner", "light switch"}),
    ],
)
def test_the_protocol_stands_beside_the_score(name, limit, tasks):
    described = json.loads(json.dumps(_kitchen(name).describe()))
    assert described["environment"].startswith("FrankaKitchen-v1 (gymnasium-robotics ")
    assert described["max_episode_steps"] == limit and described["metric"] == "tasks"
    assert described["reference"] == [0.0, 4.0]
    assert set(described["env_kwargs"].pop("tasks_to_complete")) == tasks
    assert described["env_kwargs"] == {
        "remove_task_when_completed": True,
        "terminate_on_tasks_completed": True,
    }


def test_random_actions_in_the_kitchen():
    class Random(Idle):
        generator = torch.Generator()

        def act(self, observations):
            shape = (*observations.shape[:2], 9)
            return 2 * torch.rand(shape, generator=self.generator) - 1

    results = []
    # Kitchens take seconds to make, so the second sweep has those of the first.
    with EnvironmentPool(_kitchen(max_episode_steps=40)) as pool:
        for _ in range(2):
            Random.generator.manual_seed(0)
            results.append(evaluate(pool, Random(9), members=1, episodes=2, seed=3))
    first, second = results
    # With done tasks taken off the list a return counts each task once too.
    assert np.array_equal(first.completed, first.returns)
    assert np.array_equal(first.completed, second.completed)
    assert first.successes is None
    assert first.normalized_score == pytest.approx(25 * first.completed.mean(1))


class _Chores(gymnasium.Env):
    """Completes one task at each of the steps 2, 4 and 6; its list is alive, its reward is not."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,))
    action_space = gymnasium.spaces.Box(-2, 2, (1,))

    def __init__(self, render_mode=None) -> None:
        self.done: list[str] = []

    def reset(self, *, seed=None, options=None):
        self.done.clear()
        self.steps = 0
        return np.zeros(3, np.float32), {"episode_task_completions": []}

    def step(self, action):
        self.steps += 1
        if self.steps in (2, 4, 6):
            self.done.append(f"task {self.steps}")
        # Like the recorded reward: every task that is done counts at every step.
        told = {"episode_task_completions": self.done}
        return np.zeros(3, np.float32), float(len(self.done)), False, False, told


gymnasium.register("Chores-v0", _Chores)


def _chores(**changed) -> dict:
    own = {"env": "Chores-v0", "metric": "tasks", "reference": [0.0, 4.0], "max_episode_steps": 5}
    return pendulum_arguments(**own) | changed


def test_tasks_are_counted_whatever_the_rewards():
    result = evaluate(made(_chores()), Idle(1), members=2, episodes=20, seed=0)
    # The rewards of the five steps are 0, 1, 1, 2, 2; two of four tasks are half the score.
    assert np.array_equal(result.completed, np.full((2, 20), 2))
    assert np.array_equal(result.returns, np.full((2, 20), 6.0))
    assert np.array_equal(result.score, [50.0, 50.0])
    returns = evaluate(made(_chores(metric="return")), Idle(1), members=1, episodes=1, seed=0)
    assert returns.score == [150.0] and returns.completed is None


class _PaidOnce(_Chores):
    def step(self, action):
        before = len(self.done)
        observation, _, *ends, told = super().step(action)
        return observation, float(len(self.done) - before), *ends, told


gymnasium.register("PaidOnce-v0", _PaidOnce)


@pytest.mark.parametrize("env", ["Chores-v0", "PaidOnce-v0"])
def test_a_policy_that_remembers_sees_the_rewards_of_the_data(env):
    """Finished tasks pay at every step there, whatever the environment of the score pays."""

    class Remembers(Idle):
        def begin(self, slots):
            def play(observations, rewards, starts):
                seen.append([] if starts.any() else [*seen.pop(), float(rewards[0, 0])])
                return self.act(observations)

            return play

    seen: list[list[float]] = []
    result = evaluate(made(_chores(env=env)), Remembers(1), members=1, episodes=1, seed=0)
    # The last step's reward comes too late to be seen.
    assert seen == [[0.0, 1.0, 1.0, 2.0]] and result.completed.tolist() == [[2]]


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        (_chores(reference=None), r"dataset\.reference=\[0, the number of tasks\]"),
        (pendulum_arguments(metric="tasks"), r"Pendulum-v1 reports no tasks.*metric=return"),
        (pendulum_arguments(view="observation"), r"view=observation does not fit Pendulum-v1"),
    ],
)
def test_what_does_not_fit_is_said(keywords, says):
    with pytest.raises(UserError, match=says):
        make(keywords)
