import dataclasses
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from PIL import Image

from ivr.errors import UserError
from ivr.evaluation import video
from ivr.evaluation.rollout import episode_seed, evaluate
from ivr.evaluation.video import write_video
from tests.evaluation.evaluation_making import (
    Idle,
    PathFollower,
    arguments,
    pendulum_arguments,
    task,
)


class FakeScreen:
    """Stands for the graphics driver: frames that tell the ball's position."""

    def __init__(self, monkeypatch):
        self.shown = []
        monkeypatch.setattr(video, "_rendered", self)

    def __call__(self, env):
        state = env.unwrapped.data.qpos.copy()
        self.shown.append(state)
        return np.full((48, 64, 3), int(40 * (state[0] + 2)), np.uint8)


def test_a_gif_can_be_read_and_is_thinned_out(tmp_path, monkeypatch):
    screen = FakeScreen(monkeypatch)
    monkeypatch.setattr(video, "MAX_GIF_FRAMES", 10)
    walked = task(arguments())
    policy = PathFollower(walked.maze)
    path = write_video(tmp_path / "walk.gif", walked, policy)
    steps = len(policy.batches)
    every = -(-steps // 9)
    with Image.open(path) as film:
        assert (
            film.size == (320, 240) and film.n_frames == len(screen.shown) == -(-steps // every) + 1
        )
        assert film.info["duration"] == pytest.approx(1000 * every / 50, abs=10)
    assert np.linalg.norm(screen.shown[-1] - walked.maze.centre(walked.maze.goal)) <= 0.5
    assert [entry.name for entry in tmp_path.iterdir()] == ["walk.gif"]


@pytest.mark.parametrize("method", ["reset", "step"])
def test_an_environment_that_raises_is_one_message(tmp_path, monkeypatch, method):
    def broken(self, *_, **__):
        raise ValueError("sensor 3 does not answer")

    swung = task(pendulum_arguments())
    monkeypatch.setattr(PendulumEnv, method, broken)
    with pytest.raises(UserError, match=r"Pendulum-v1 .*failed.*ValueError: sensor 3 does not"):
        write_video(tmp_path / "swing.gif", swung, Idle(1))
    assert not list(tmp_path.iterdir())


def test_a_policy_that_remembers_is_told_of_the_episode(tmp_path, monkeypatch):
    """Member 1 is filmed: rewards are those of its own actions."""
    monkeypatch.setattr(video, "_rendered", lambda env: np.zeros((48, 64, 3), np.uint8))
    swung = task(pendulum_arguments())
    told = []

    class Remembering(Idle):
        def begin(self, slots):
            def player(observations, rewards, starts):
                told.append((rewards[1, 0].item(), starts[1, 0].item()))
                return torch.tensor([[[-2.0]], [[2.0]]])

            return player

    write_video(tmp_path / "swing.gif", swung, Remembering(1), member=1, members=2)
    env = swung.make_env()
    env.reset(seed=episode_seed(0, 0))
    rewards = [env.step(np.full(1, 2.0, np.float32))[1] for _ in range(19)]
    assert [reward for reward, _ in told] == pytest.approx([0.0, *rewards])
    assert [start for _, start in told] == [True] + [False] * 19


class Chores(gymnasium.Env):
    """Pays the second step, at which a task is done, and nothing after it."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode=None):
        self.render_mode, self.steps = render_mode, 0

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        done = ["kettle"] if self.steps >= 2 else []
        reward = float(self.steps == 2)
        return np.zeros(3, np.float32), reward, False, False, {"episode_task_completions": done}


def test_the_filmed_episode_is_told_what_the_scored_one_is(tmp_path, monkeypatch):
    """Kitchen's data pay a task that is done at every step."""
    monkeypatch.setattr(video, "_rendered", lambda env: np.zeros((48, 64, 3), np.uint8))
    told = []

    class Remembering(Idle):
        def begin(self, slots):
            told.append([])

            def player(observations, rewards, starts):
                told[-1].append(rewards.item())
                return self.act(observations)

            return player

    gymnasium.register("Chores-v0", Chores)
    try:
        plain = task(pendulum_arguments(env="Chores-v0", max_episode_steps=5))
        chores = dataclasses.replace(plain, metric="tasks", reference=(0.0, 4.0))
        evaluate(chores, Remembering(1), members=1, episodes=1, seed=0)
        write_video(tmp_path / "chores.gif", chores, Remembering(1))
    finally:
        del gymnasium.registry["Chores-v0"]
    assert told == [[0, 0, 1, 1, 1]] * 2


def test_a_maze_is_really_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MAX_GIF_FRAMES", 3)
    try:
        path = write_video(tmp_path / "m.gif", task(arguments(max_episode_steps=3)), Idle(2))
    except UserError as error:
        assert "MUJOCO_GL" in str(error)
        pytest.skip("nothing here can render")
    with Image.open(path) as film:
        assert film.size == (320, 320)
        picture = np.asarray(film.convert("RGB")).astype(int)
    # The goal is a red ball, in the lower left of the U maze seen from above.
    red = (picture[..., 0] > 180) & (picture[..., 1] < 60) & (picture[..., 2] < 60)
    rows, columns = np.nonzero(red)
    assert red.sum() > 100 and rows.mean() > 160 and columns.mean() < 160


def test_rendering_that_fails_advises(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "gymnasium_robotics.envs.maze.point_maze.PointMazeEnv.render",
        lambda self: (_ for _ in ()).throw(RuntimeError("no display")),
    )
    with pytest.raises(UserError, match="MUJOCO_GL"):
        write_video(tmp_path / "x.gif", task(arguments(max_episode_steps=2)), Idle(2))
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="avi"):
        write_video(tmp_path / "x.avi", task(arguments()), Idle(2))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="imageio-ffmpeg"):
        write_video(tmp_path / "x.mp4", task(arguments()), Idle(2))


@pytest.mark.parametrize(("env", "size"), [("Hopper-v4", 11), ("HalfCheetah-v4", 17)])
def test_walkers_are_followed_by_the_camera_of_their_model(monkeypatch, tmp_path, env, size):
    looked_through = []

    def rendered(env):
        looked_through.append(env.unwrapped.mujoco_renderer.camera_id)
        return np.zeros((48, 64, 3), np.uint8)

    monkeypatch.setattr(video, "_rendered", rendered)
    actions = {"Hopper-v4": 3, "HalfCheetah-v4": 6}[env]
    bounds = {"action_low": [-1.0] * actions, "action_high": [1.0] * actions}
    walked = task(pendulum_arguments(env=env, observation_dim=size, max_episode_steps=3, **bounds))
    write_video(tmp_path / "walk.gif", walked, Idle(actions))
    (camera,) = set(looked_through)
    made = walked.make_env()
    assert made.unwrapped.model.camera(camera).name == "track"
    made.close()
