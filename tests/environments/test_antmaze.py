import os
from ctypes.util import find_library
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ivr.environments.antmaze import D4RLAntMaze, position, sample_goal, sample_start
from ivr.errors import UserError
from ivr.mazes import Maze


def make(maze: str = "umaze", **kwargs: Any) -> Any:
    return gymnasium.make(f"ivr/D4RLAntMaze-{maze}-v2", **kwargs)


def test_the_body_is_d4rls() -> None:
    env: D4RLAntMaze = make().unwrapped
    model = env.model
    assert (model.opt.timestep, env.frame_skip, env.dt) == (0.02, 5, 0.1)
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    np.testing.assert_array_equal(model.actuator_ctrlrange, [[-30, 30]] * 8)
    np.testing.assert_array_equal(model.actuator_gear[:, 0], np.ones(8))
    np.testing.assert_array_equal(model.geom_solref, [[0.02, 1]] * model.ngeom)
    np.testing.assert_array_equal(model.geom_solimp[:, :3], [[0.8, 0.8, 0.01]] * model.ngeom)
    np.testing.assert_array_equal(model.geom_margin, [0.01] * model.ngeom)
    np.testing.assert_array_equal(model.geom_friction, [[1, 0.5, 0.5]] * model.ngeom)
    # The free joint has neither armature nor damping, the eight hinges have 1 of both.
    np.testing.assert_array_equal(model.dof_armature, [0] * 6 + [1] * 8)
    np.testing.assert_array_equal(model.dof_damping, [0] * 6 + [1] * 8)
    # Density 5: the torso is a ball of 0.25 m.
    assert model.body("torso").mass[0] == pytest.approx(5 * 4 / 3 * np.pi * 0.25**3)


def test_actuators_and_joints_are_in_d4rls_order() -> None:
    model = make().unwrapped.model
    driven = [model.joint(joint).name for joint in model.actuator_trnid[:, 0]]
    assert driven == legs(4, 1, 2, 3)
    joints = [model.joint(i).name for i in range(model.njnt)]
    assert joints == ["root", *legs(1, 2, 3, 4)]


def legs(*numbers: int) -> list[str]:
    return [f"{part}_{leg}" for leg in numbers for part in ("hip", "ankle")]


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_walls_are_boxes_and_the_start_is_the_origin(maze: str) -> None:
    env = make(maze).unwrapped
    walls = [i for i in range(env.model.ngeom) if env.model.geom(i).name.startswith("block_")]
    expected = [
        (4.0 * (column - 1), 4.0 * (row - 1), 1.0)
        for row, cells in enumerate(env.maze.layout)
        for column, wall in enumerate(cells)
        if wall
    ]
    np.testing.assert_array_equal(env.model.geom_pos[walls], expected)
    np.testing.assert_array_equal(env.model.geom_size[walls], [(2, 2, 1)] * len(walls))
    assert (1, 1) in env.maze.free_cells() and position(env.maze, (1, 1)).tolist() == [0, 0]


def test_walls_stop_the_ant() -> None:
    env = make().unwrapped
    env.reset(seed=0)
    qpos, qvel = env.data.qpos.copy(), np.zeros(14)
    qpos[:2], qvel[0] = (-0.9, 0), -6  # the wall's face is at x = −2, the legs reach 0.8 m
    env.set_state(qpos, qvel)
    for _ in range(10):
        env.step(np.zeros(8))
        assert env.data.qpos[0] > -2


def test_y_grows_with_the_row() -> None:
    large = Maze.named("large", 4.0)
    assert position(large, (7, 9)).tolist() == [32, 24]
    # The cell below the start of umaze is a wall, the one to its right is free.
    umaze = make().unwrapped
    assert umaze.model.geom("block_2_1").pos.tolist() == [0, 4, 1]


@pytest.mark.parametrize(
    ("maze", "x", "y"), [("umaze", 0, 8), ("medium", 20, 20), ("large", 32, 24)]
)
def test_goals_follow_d4rls_law(maze: str, x: float, y: float) -> None:
    random = np.random.default_rng(0)
    noise = np.array([sample_goal(Maze.named(maze, 4.0), random) for _ in range(4000)]) - [x, y]
    assert noise.min() >= 0 and noise.max() <= 1.5
    # U(0, 1) + U(0, 0.5): mean 3/4, variance 1/12 + 1/48 = 5/48; the error of a mean is 0.005.
    np.testing.assert_allclose(noise.mean(axis=0), 0.75, atol=0.025)
    np.testing.assert_allclose(noise.var(axis=0), 5 / 48, rtol=0.1)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.07


def test_each_reset_draws_another_goal_and_a_seed_repeats_it() -> None:
    env = make("medium")
    first, again, other = (env.reset(seed=seed)[1]["goal"] for seed in (1, 1, None))
    assert (first == again).all() and (first != other).any()


def test_starts_follow_d4rls_law() -> None:
    random = np.random.default_rng(0)
    initial = make().unwrapped.init_qpos
    # D4RL starts around MuJoCo's own zero; nothing reads the `init_qpos` of the XML.
    assert initial.tolist() == [0, 0, 0.75, 1] + [0] * 11
    drawn = [sample_start(initial, random) for _ in range(4000)]
    qpos, qvel = (np.array(part) for part in zip(*drawn, strict=True))
    assert np.abs(qpos - initial).max() <= 0.1
    np.testing.assert_allclose((qpos - initial).std(axis=0), 0.1 / np.sqrt(3), rtol=0.05)
    np.testing.assert_allclose(qvel.std(axis=0), 0.1, rtol=0.05)
    assert np.abs(qvel).max() > 0.25  # normal, not uniform


def test_the_observation_is_qpos_and_qvel_with_a_quaternion_of_length_1() -> None:
    env = make()
    observation, _ = env.reset(seed=3)
    data = env.unwrapped.data
    np.testing.assert_array_equal(observation, [*data.qpos, *data.qvel])
    assert observation.shape == (29,)
    assert np.linalg.norm(observation[3:7]) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("distance", "reached"), [(0.3, True), (0.7, False)])
def test_the_episode_ends_with_a_reward_of_1_near_the_goal(distance: float, reached: bool) -> None:
    env = make()
    _, info = env.reset(seed=0)
    assert info["success"] is False
    inner = env.unwrapped
    qpos, qvel = inner.data.qpos.copy(), np.zeros(14)
    qpos[:2] = info["goal"] + [distance, 0]
    inner.set_state(qpos, qvel)
    _, reward, terminated, truncated, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, truncated, info["success"]) == (reached, reached, False, reached)


def test_actions_are_scaled_to_the_motors_and_clipped() -> None:
    env = make().unwrapped
    env.reset(seed=0)
    env.step(np.array([-1, -0.5, 0, 0.5, 1, 1.5, -3, 0.1]))
    np.testing.assert_allclose(env.data.ctrl, [-30, -15, 0, 15, 30, 30, -30, 3], atol=1e-12)


def test_the_mark_in_the_picture_stands_at_the_goal() -> None:
    env = make("medium").unwrapped
    for seed in (1, 2):
        _, info = env.reset(seed=seed)
        env.step(np.zeros(8))
        np.testing.assert_allclose(env.data.site("goal").xpos, [*info["goal"], 0], atol=1e-12)


# By what the machine has, not by an exception: a fault of ours must not look like a missing screen.
@pytest.mark.skipif(
    not (find_library("EGL") or os.environ.get("DISPLAY")), reason="neither EGL nor a screen"
)
def test_a_picture_shows_the_goal_far_up_on_the_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", "egl"))
    env = make(render_mode="rgb_array", width=200, height=200)
    env.reset(seed=0)
    picture = env.render().astype(int)
    env.close()
    red = (picture[..., 0] > 150) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
    rows, columns = np.nonzero(red)
    assert red.sum() > 20 and rows.mean() < 100 and columns.mean() < 100


def test_gymnasium_finds_nothing_to_complain_of() -> None:
    check_env(make().unwrapped, skip_render_check=True)


def test_an_unknown_maze_is_one_message() -> None:
    with pytest.raises(UserError, match="maze=tiny is not one of umaze, medium, large"):
        D4RLAntMaze("tiny")
