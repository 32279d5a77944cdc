import json
import pickle

import gymnasium
import numpy as np
import pytest
from omegaconf import OmegaConf

from ivr.config.dataset import parse_dataset
from ivr.errors import UserError
from ivr.evaluation.task.build import make_task
from ivr.evaluation.task.checks import check_spaces
from ivr.types import DataFacts
from tests.evaluation.evaluation_making import (
    antmaze_arguments,
    arguments,
    make,
    pendulum_arguments,
    task,
)
from tests.running import composed

SPEC = {
    "id": "PointMaze_UMaze-v3",
    "entry_point": "gymnasium_robotics.envs.maze.point_maze:PointMazeEnv",
    "max_episode_steps": 123,
    "kwargs": {"continuing_task": True, "reset_target": False},
    "additional_wrappers": [],
}


def spec(**changed):
    return json.dumps(SPEC | changed)


def layout(*rows):
    return [[int(cell) if cell in "01" else cell for cell in row] for row in rows]


def test_antmaze_in_the_d4rl_view_is_position_then_observation():
    env = task(antmaze_arguments()).make_env()
    observation, _ = env.reset(seed=0)
    inner = env.unwrapped
    expected = np.concatenate([inner.data.qpos, inner.data.qvel]).astype(np.float32)
    assert observation.dtype == np.float32 and np.array_equal(observation, expected)
    env.close()


def test_pointmaze_in_the_d4rl_view_does_not_repeat_the_position():
    env = task(arguments()).make_env()
    observation, _ = env.reset(seed=0)
    assert np.allclose(observation, [*env.unwrapped.data.qpos, 0.0, 0.0])
    env.close()


def test_the_walls_are_those_of_the_maze_and_not_the_environments_own():
    env = task(arguments(maze="medium")).make_env()
    walls = [[int(cell == 1) for cell in row] for row in env.unwrapped.maze.maze_map]
    assert len(walls) == 8 and walls[1] == [1, 0, 0, 1, 1, 0, 0, 1]
    assert env.unwrapped.maze.maze_map[1][1] == "r" and env.unwrapped.maze.maze_map[6][6] == "g"
    env.close()


def test_a_flat_environment_is_passed_on_as_it_is():
    env = task(pendulum_arguments()).make_env()
    observation, _ = env.reset(seed=3)
    plain, _ = gymnasium.make("Pendulum-v1").reset(seed=3)
    assert np.array_equal(observation, plain)


def test_without_any_environment_there_is_no_task():
    assert make(arguments(env=None, env_spec=None)) is None


def test_the_limit_is_the_configs_then_the_records_then_the_registrys():
    recorded = {"env": None, "env_spec": spec()}
    assert task(arguments(**recorded, max_episode_steps=50)).max_episode_steps == 50
    assert task(arguments(**recorded, max_episode_steps=None)).max_episode_steps == 123
    assert task(arguments(max_episode_steps=None)).max_episode_steps == 300


def test_arguments_of_the_record_are_used_and_the_configs_come_first():
    recorded = {"env": None, "env_spec": spec(id="Pendulum-v1", kwargs={"g": 5.0})}
    assert task(pendulum_arguments(**recorded)).make_env().unwrapped.g == 5.0
    own = pendulum_arguments(**recorded, env_kwargs={"g": 6.0})
    assert task(own).make_env().unwrapped.g == 6.0


def test_a_task_can_be_sent_to_another_process():
    made = task(arguments())
    assert pickle.loads(pickle.dumps(made)) == made


class _Unbounded(gymnasium.ActionWrapper):
    """Pendulum as an environment that records no bounds, or the greatest number of float32."""

    def __init__(self, bound: float):
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.action_space = gymnasium.spaces.Box(-bound, bound, (1,))

    def action(self, action):
        return action


@pytest.mark.parametrize("bound", [np.inf, float(np.finfo(np.float32).max)])
def test_an_environment_without_bounds_takes_those_of_the_data(bound):
    data = DataFacts(3, [-2.0], [2.0])
    check_spaces(_Unbounded(bound), "X-v0", "flat", data)
    with pytest.raises(UserError, match="takes actions from"):
        check_spaces(_Unbounded(1.0), "X-v0", "flat", data)


def test_describe_is_json_and_names_the_protocol():
    described = json.loads(json.dumps(task(antmaze_arguments(goal="d4rl_v2")).describe()))
    assert described.pop("environment").startswith("AntMaze_UMaze-v4 (gymnasium-robotics ")
    assert described.pop("start_noise_m") == pytest.approx(0.1)
    assert described == {
        "env_kwargs": {},
        "max_episode_steps": 200,
        "view": "d4rl",
        "goal": "d4rl_v2",
        "success_radius_m": 0.5,
        "start_cell": [1, 1],
        "goal_cell": [3, 1],
        "cells": "D4RL's, as the data mark none",
        "metric": "success",
        "reference": [0.0, 1.0],
    }
    assert task(antmaze_arguments()).describe()["start_noise_m"] == 1.0


@pytest.mark.parametrize(
    "keywords, words",
    [
        (arguments(env="PointMaze_Umaze-v3"), ["PointMaze_Umaze-v3", "PointMaze_UMaze-v3"]),
        (arguments(env="nothing_like_it"), ["nothing_like_it", "not a registered environment"]),
        (arguments(env="no_such_module:X-v0"), ["no_such_module", "dataset.env"]),
        (arguments(observation_dim=6), ["(4,)", "(6,)", "dataset.view"]),
        (antmaze_arguments(env="AntMaze_UMaze-v5"), ["(107,)", "(29,)", "dataset.env"]),
        (arguments(action_low=[-1.0], action_high=[1.0]), ["(2,)", "(1,)", "dataset.env"]),
        (arguments(action_high=[1.0, 2.0]), ["[1.0, 2.0]", "[1.0, 1.0]"]),
        (arguments(view="flat"), ["dataset.view=flat", "PointMaze_UMaze-v3"]),
        (pendulum_arguments(view="d4rl"), ["dataset.view=d4rl", "dataset.view=flat"]),
        (arguments(view="full"), ["dataset.view=full", "goal_conditioned"]),
        (arguments(maze="huge"), ["dataset.maze=huge", "umaze, medium, large, null"]),
        (arguments(maze_scale=4.0), ["dataset.maze_scale=4.0", "dataset.maze_scale=1"]),
        (pendulum_arguments(maze="umaze"), ["Pendulum-v1", "dataset.maze=null"]),
        (antmaze_arguments(env="AntMaze_UMaze-v3"), ["AntMaze_UMaze-v3", "AntMaze_*-v4"]),
        (pendulum_arguments(metric="success"), ["Pendulum-v1", "dataset.metric=return"]),
        (arguments(reference=[1.0, 0.0]), ["dataset.reference=[1.0, 0.0]"]),
        (arguments(env_kwargs={"colour": 1}), ["dataset.env_kwargs={'colour': 1}"]),
        (
            arguments(
                # The mirror image: Minari's own evaluation map of the U maze.
                env_spec=spec(
                    kwargs={"maze_map": layout("11111", "1r001", "10111", "1g001", "11111")}
                )
            ),
            ["dataset.maze=umaze", "other walls"],
        ),
    ],
)
def test_what_does_not_fit_is_said(keywords, words):
    with pytest.raises(UserError) as caught:
        make(keywords)
    for word in words:
        assert word in str(caught.value)


def test_marks_of_start_and_goal_do_not_make_other_walls():
    maze_map = layout("11111", "1r001", "11101", "1g001", "11111")
    assert task(arguments(env_spec=spec(kwargs={"maze_map": maze_map}))).maze is not None


def _d4rl(name, *words):
    dataset = composed((f"dataset={name}", "dataset.source=d4rl", *words)).dataset
    _, spec = parse_dataset(OmegaConf.to_container(dataset, resolve=True))
    numbers, actions = (29, 8) if "antmaze" in name else (60, 9)
    return make_task(spec, DataFacts(numbers, [-1.0] * actions, [1.0] * actions), None)


def test_d4rls_antmaze_is_evaluated_in_d4rls_body_frame_and_goals():
    made = _d4rl("antmaze-medium-play")
    described = made.describe()
    assert described["environment"].startswith("ivr/D4RLAntMaze-medium-v2 (gymnasium ")
    assert (described["goal"], described["max_episode_steps"]) == ("d4rl_v2", 1000)
    assert (described["start_noise_m"], described["success_radius_m"]) == (0.1, 0.5)
    assert made.way == "from (1, 1) to (6, 6), D4RL's"
    env = made.make_env()
    starts, goals = zip(
        *((observation[:2], info["goal"]) for observation, info in map(_reset(env), range(200))),
        strict=True,
    )
    # The start cell is the origin; on each axis the goal is 20 + U(0, 1) + U(0, 0.5) metres.
    assert np.abs(starts).max() <= 0.1 and np.mean(goals, 0) == pytest.approx([20.75] * 2, abs=0.1)
    # In the frame of the pictures: half a cell's 4 m from the wall at the left and at the top.
    maze = made.walked_maze
    assert np.abs(maze.centred(np.array(starts)) - (-10, 10)).max() <= 0.1
    assert {maze.cell(goal) for goal in maze.centred(np.array(goals))} == {(6, 6)}
    env.close()


def _reset(env):
    return lambda seed: env.reset(seed=seed)


def test_d4rls_kitchen_is_evaluated_with_the_arguments_of_the_dataset():
    made = _d4rl("kitchen-mixed", "++dataset.env_kwargs.terminate_on_tasks_completed=false")
    assert made.describe()["environment"].startswith(
        "ivr/D4RLKitchen-mixed-v0 (gymnasium-robotics "
    )
    assert (made.max_episode_steps, made.metric, made.reference) == (280, "tasks", (0.0, 4.0))
    inner = made.make_env().unwrapped
    assert not inner.terminates and inner.tasks == (
        "microwave", "kettle", "bottom burner", "light switch",
    )  # fmt: skip


def test_a_goal_that_d4rls_antmaze_does_not_have_is_refused():
    with pytest.raises(UserError, match=r"dataset\.goal=centre: ivr/D4RLAntMaze-umaze-v2 draws"):
        _d4rl("antmaze-umaze", "dataset.goal=centre")


def test_the_way_is_that_of_the_datas_marks():
    """Minari's umaze goes from (3, 1) to (1, 1): in metres from (-4, -4) to (-4, 4)."""
    marked = layout("11111", "1g001", "11101", "1r001", "11111")
    made = task(antmaze_arguments(env_spec=spec(kwargs={"maze_map": marked})))
    assert made.way == "from (3, 1) to (1, 1), as the data mark them"
    described = made.describe()
    assert (described["start_cell"], described["goal_cell"]) == ([3, 1], [1, 1])
    env = made.make_env()
    observation, info = env.reset(seed=0)
    assert np.abs(observation[:2] - [-4, -4]).max() <= 1 and info["goal"].tolist() == [-4, 4]
    assert not info["success"]
    env.close()
