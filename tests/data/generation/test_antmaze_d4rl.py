"""Stand-ins with the body of D4RL's AntMaze: D4RL's format and frame, and steps that replay."""

import itertools
from pathlib import Path

import gymnasium
import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ivr.data.generation import antmaze, antmaze_d4rl
from ivr.data.generation.antmaze_walks import in_frame, in_maze
from ivr.data.sources.d4rl.source import D4RLSource
from ivr.data.sources.stand_ins import ANTMAZES, check_body
from ivr.environments.antmaze import position, sample_goal
from ivr.environments.replay import replay
from ivr.errors import UserError
from ivr.mazes import MAZES, Maze

ROWS = 1000


def in_process(name, transitions, seed, processes, body):
    for number in itertools.count():
        yield from antmaze._walks(name, seed, 2, body, number)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, np.ndarray]:
    path = tmp_path_factory.mktemp("made") / "a.hdf5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(antmaze_d4rl, "all_walks", in_process)
        antmaze_d4rl.generate("antmaze-umaze", path, transitions=ROWS)
    return read(path) | {"path": path}


def read(path: Path) -> dict[str, np.ndarray]:
    columns = {}
    with h5py.File(path) as file:
        assert file.attrs["dataset_id"] == "ivr/antmaze-umaze-d4rl-v0"
        assert "not D4RL's data" in file.attrs["description"]
        for name in ("observations", "actions", "rewards", "terminals", "timeouts"):
            columns[name] = file[name][()]
        for name in ("goal", "qpos", "qvel"):
            columns[name] = file[f"infos/{name}"][()]
    return columns


def test_the_columns_are_d4rls(made):
    shapes = {name: value.shape for name, value in made.items() if name != "path"}
    assert shapes == {
        "observations": (ROWS, 29), "actions": (ROWS, 8), "rewards": (ROWS,),
        "terminals": (ROWS,), "timeouts": (ROWS,),
        "goal": (ROWS, 2), "qpos": (ROWS, 15), "qvel": (ROWS, 14),
    }  # fmt: skip
    assert_array_equal(made["observations"], np.hstack([made["qpos"], made["qvel"]]))
    assert np.abs(made["actions"]).max() <= 1
    assert_array_equal(made["rewards"], made["terminals"])
    assert made["timeouts"][-1] and 1 < made["timeouts"].sum() < 20


def test_a_row_that_leads_to_the_goal_is_terminal(made):
    goal = np.array([0.75, 8.75])  # two rows below the start, and the mean of D4RL's noise
    assert_allclose(antmaze.goal_of("antmaze-umaze"), goal)
    inside = ~made["timeouts"][:-1]
    near = np.linalg.norm(made["observations"][1:, :2] - goal, axis=1) <= 0.5
    assert_array_equal(made["terminals"][:-1][inside], near[inside])
    # The file's last row may be any of its episode's.
    assert not made["terminals"][:-1][made["timeouts"][:-1]].any()
    assert_allclose(made["goal"], np.tile(goal, (ROWS, 1)), rtol=1e-6)


def test_every_step_is_one_of_d4rls_environment(made):
    steps = np.flatnonzero(~made["timeouts"])[::25]
    env = gymnasium.make("ivr/D4RLAntMaze-umaze-v2")
    after = replay(env, made["qpos"][steps], made["qvel"][steps], made["actions"][steps])
    assert_allclose(after, made["observations"][steps + 1], atol=1e-3)


def test_it_walks_between_the_walls_from_the_start(made):
    maze = Maze.named("umaze", 4.0)
    begins = np.append(0, np.flatnonzero(made["timeouts"][:-1]) + 1)
    assert np.abs(made["observations"][begins, :2]).max() <= 1
    cells = {maze.cell(in_maze(maze, xy, "d4rl")) for xy in made["observations"][:, :2]}
    assert cells <= set(maze.free_cells()) and len(cells) > 2


def test_it_is_read_as_d4rls_files_are(made):
    source = D4RLSource([made["path"]], 700)
    assert source.id == "ivr/antmaze-umaze-d4rl-v0" and source.boxes == {"observation": (29,)}
    steps = source.sample([0.0, 0.5], 4)
    assert_array_equal(steps.before["observation"][:4], made["observations"][:4])
    assert_array_equal(steps.after["observation"][:4], made["observations"][1:5])
    assert steps.states is not None
    assert_array_equal(steps.states.qpos[:4], made["qpos"][:4])


@pytest.mark.parametrize("name", MAZES)
def test_the_frame_is_d4rls(name):
    maze = Maze.named(name, 4.0)
    for cell in maze.free_cells():
        there = in_frame(maze, maze.centre(cell), "d4rl")
        assert_allclose(there, position(maze, cell), atol=1e-12)
        assert_allclose(in_maze(maze, there, "d4rl"), maze.centre(cell), atol=1e-12)
        assert_array_equal(in_frame(maze, maze.centre(cell), "gymnasium"), maze.centre(cell))


@pytest.mark.parametrize("name", ANTMAZES)
def test_the_goal_is_the_mean_of_those_that_d4rl_draws(name):
    maze, random = antmaze.maze_of(name), np.random.default_rng(0)
    drawn = np.mean([sample_goal(maze, random) for _ in range(2000)], axis=0)
    assert_allclose(antmaze.goal_of(name), drawn, atol=0.05)


def test_another_body_or_a_dataset_without_one_is_one_message():
    for name, body in (("antmaze-umaze", "ant"), ("pointmaze-umaze", "d4rl")):
        with pytest.raises(UserError, match=rf"dataset\.body={body} with dataset={name}: it can"):
            check_body(name, body)
    check_body("antmaze-umaze", "d4rl")
    check_body("pointmaze-umaze", None)
