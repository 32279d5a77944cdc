import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from ivr.environments.antmaze import CELL, sample_goal
from ivr.files import private_temporary_folder
from ivr.mazes import Maze
from tests.evaluation.evaluation_making import antmaze_arguments, arguments, task


@pytest.mark.parametrize("maze, scale, env", [("umaze", 4.0, "AntMaze"), ("large", 1.0, "Point")])
def test_centre_places_the_goal_everywhere_it_is_told(maze, scale, env):
    keywords = antmaze_arguments() if env == "AntMaze" else arguments()
    made = task(
        {
            **keywords,
            "maze": maze,
            "view": "goal_conditioned",
            "observation_dim": keywords["observation_dim"] + 2,
        }
    ).make_env()
    expected = Maze.named(maze, scale).centre(Maze.named(maze, scale).goal)
    inner = made.unwrapped
    for seed in range(3):
        observation, info = made.reset(seed=seed)
        assert np.array_equal(observation[-2:], expected.astype(np.float32))
        assert np.array_equal(info["goal"], expected)
        assert np.array_equal(inner.model.site_pos[inner.target_site_id][:2], expected)
        stepped = made.step(made.action_space.sample())
        assert np.array_equal(stepped[0][-2:], expected.astype(np.float32))
    made.close()


@pytest.mark.parametrize("keywords, scale", [(antmaze_arguments(), 4.0), (arguments(), 1.0)])
def test_d4rl_v2_draws_goal_and_start_within_its_bounds(keywords, scale):
    made = task({**keywords, "goal": "d4rl_v2"}).make_env()
    maze = Maze.named("umaze", scale)
    starts, goals = [], []
    for seed in range(300 if scale == 1.0 else 60):
        observation, info = made.reset(seed=seed)
        starts.append((observation[:2] - maze.centre(maze.start)) * 4.0 / scale)
        goals.append((info["goal"] - maze.centre(maze.goal)) * 4.0 / scale)
    starts, goals = np.array(starts), np.array(goals)
    assert np.abs(starts).max() <= 0.1 + 1e-5 and np.abs(starts).max() > 0.08
    noise = goals * [1, -1]  # in D4RL's frame y grows with the row, here it falls
    assert noise.min() >= 0.0 and noise.max() <= 1.5 and noise.max() > 1.2
    # The mean of U(0, 1) + U(0, 0.5) is 0.75, its deviation sqrt(1/12 + 1/48) = 0.32.
    assert np.allclose(noise.mean(0), 0.75, atol=4 * 0.32 / np.sqrt(len(goals)))
    assert abs(np.corrcoef(goals.T)[0, 1]) < 0.5
    made.close()


def test_goals_have_the_cells_that_d4rls_have():
    """Both frames hold the same maze: ours, in cells (row, column), has the goals of D4RL's."""
    medium = {"maze": "medium", "goal": "d4rl_v2"}
    made = task(arguments(**medium)).make_env()
    maze = Maze.named("medium", 1.0)
    goals = np.array([made.reset(seed=seed)[1]["goal"] for seed in range(300)])
    made.close()
    cells = np.array(maze.goal) + (goals - maze.centre(maze.goal))[:, ::-1] * [-1, 1]
    d4rls = Maze.named("medium", CELL)
    random = np.random.RandomState(0)
    theirs = (
        np.array([sample_goal(d4rls, random) for _ in range(300)])[:, ::-1] / CELL + d4rls.start
    )
    # 6 + 0.75 / 4 = 6.19, give or take 4 standard errors of 0.32 / 4 over 300 draws.
    for drawn in (cells, theirs):
        assert np.allclose(drawn.mean(0), (6.19, 6.19), atol=4 * 0.08 / np.sqrt(300))
        assert drawn.min() >= 6 and drawn.max() <= 6 + 1.5 / 4


def test_centre_keeps_the_start_noise_of_the_environment():
    made = task(arguments()).make_env()
    maze = Maze.named("umaze", 1.0)
    starts = np.array([made.reset(seed=s)[0][:2] - maze.centre(maze.start) for s in range(200)])
    assert np.abs(starts).max() <= 0.25 + 1e-6 and np.abs(starts).max() > 0.24
    made.close()


@pytest.mark.parametrize("goal", ["centre", "d4rl_v2"])
def test_one_seed_one_start_whatever_came_before(goal):
    made, other = (task(arguments(goal=goal)).make_env() for _ in range(2))
    first, told = made.reset(seed=7)
    made.step(made.action_space.sample())
    made.reset(seed=8)
    other.reset(seed=9)
    for env in (made, other):
        again, info = env.reset(seed=7)
        assert np.array_equal(first, again) and np.array_equal(told["goal"], info["goal"])
    assert not np.array_equal(first, made.reset(seed=8)[0])
    made.close()
    other.close()


@pytest.mark.parametrize("distance, reached", [(0.499, True), (0.47, True), (0.51, False)])
def test_within_half_a_metre_the_episode_ends_with_reward_one(distance, reached):
    made = task(arguments()).make_env()
    made.reset(seed=0)
    maze = Maze.named("umaze", 1.0)
    # A ball at rest stays where it is put.
    position = maze.centre(maze.goal) + np.array([distance, 0.0])
    made.unwrapped.point_env.set_state(position, np.zeros(2))
    _, reward, terminated, truncated, info = made.step(np.zeros(2, np.float32))
    assert (reward, terminated, info["success"]) == (float(reached), reached, reached)
    assert not truncated
    made.close()


def test_the_time_limit_truncates_and_success_at_the_limit_terminates():
    made = task(arguments(max_episode_steps=3)).make_env()
    made.reset(seed=0)
    ends = [made.step(np.zeros(2, np.float32))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    made.reset(seed=0)
    for _ in range(2):
        made.step(np.zeros(2, np.float32))
    maze = Maze.named("umaze", 1.0)
    made.unwrapped.point_env.set_state(maze.centre(maze.goal), np.zeros(2))
    assert made.step(np.zeros(2, np.float32))[2:4] == (True, False)
    made.close()


def test_environments_leave_nothing_in_the_temporary_folder_and_do_not_clash():
    folder = Path(tempfile.gettempdir())
    made_from = task(antmaze_arguments())
    before = set(folder.iterdir())
    with patch.object(time, "time", return_value=1.0):  # both in the same instant
        first, second = made_from.make_env(), made_from.make_env()
    assert set(folder.iterdir()) == before
    assert tempfile.gettempdir() == str(folder)
    # The model is in memory: it works without its file.
    for env in (first, second):
        env.reset(seed=0)
        env.step(np.zeros(8, np.float32))
        env.close()


def test_the_private_folder_goes_when_making_fails():
    folder = Path(tempfile.gettempdir())
    before = set(folder.iterdir())
    with pytest.raises(RuntimeError), private_temporary_folder():
        assert Path(tempfile.gettempdir()) != folder
        raise RuntimeError
    assert Path(tempfile.gettempdir()) == folder
    assert set(folder.iterdir()) == before
