"""Films one episode of a policy into a GIF."""

import importlib.util
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ivr.errors import UserError
from ivr.evaluation.rollout import episode_seed
from ivr.evaluation.stepping.acting import begin_episodes
from ivr.evaluation.stepping.environments import failure, recorded_reward
from ivr.evaluation.task.task import TASKS, Task
from ivr.files import write_whole
from ivr.mazes import Maze
from ivr.types import Policy

Frame = NDArray[np.uint8]

MAX_GIF_FRAMES = 100
GIF_WIDTH = 320


def write_video(
    path: Path,
    task: Task,
    policy: Policy,
    *,
    member: int = 0,
    members: int = 1,
    episode: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Path:
    """Render one member's episode of an evaluation to a .gif or an .mp4 file.

    The episode is the one that `evaluate` runs with the same seed. A GIF is thinned out to
    MAX_GIF_FRAMES frames of GIF_WIDTH pixels, a few megabytes at most.

    Raises:
        UserError: the suffix is neither, MP4 cannot be written here, or rendering fails, or the
            environment.
    """
    if path.suffix not in (".gif", ".mp4"):
        raise UserError(f"{path.name}: a video is a .gif or a .mp4 file.")
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(
            f"{path.name}: MP4 needs imageio-ffmpeg (pip install imageio-ffmpeg); .gif does not."
        )
    gif = path.suffix == ".gif"
    reset_seed = episode_seed(seed, episode)
    limit = MAX_GIF_FRAMES if gif else task.max_episode_steps + 1
    try:
        frames, seconds = _film(task, policy, member, members, reset_seed, device, limit)
    except UserError:
        raise
    except Exception as error:  # whatever an environment raises
        raise UserError(
            f"the environment {task.env_id} failed while it was filmed: {failure(error).reason}. "
            "Mend it, or leave video out"
        ) from error
    if gif:
        frames = [_resized(frame) for frame in frames]
        # 20 ms is the least that all players honour.
        options: dict[str, Any] = {"duration": max(20, round(1000 * seconds)), "loop": 0}
    else:
        options = {"fps": 1 / seconds, "macro_block_size": 1, "plugin": "FFMPEG"}
    content = imageio.imwrite("<bytes>", frames, extension=path.suffix, **options)
    write_whole(path, lambda file: file.write(content))
    return path


def _film(
    task: Task,
    policy: Policy,
    member: int,
    members: int,
    seed: int,
    device: torch.device | str,
    limit: int,
) -> tuple[list[Frame], float]:
    """Film at most `limit` frames (H, W, 3), first and last included, and the seconds of each."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
    with closing(task.make_env(render_mode="rgb_array")) as env:
        if task.maze is not None:
            _look_from_above(env.unwrapped, task.maze)
        else:
            _follow(env.unwrapped)
        # Played first and rendered when its length is known: frames cost more than steps.
        player = begin_episodes(policy, 1)
        actions: list[NDArray[np.float32]] = []
        received, done = 0.0, False
        observation, _ = env.reset(seed=seed)
        while not done:
            shown = torch.tensor(observation, device=device).expand(members, 1, -1)
            rewards = torch.full((members, 1), received, device=device)
            starts = torch.full((members, 1), not actions, device=device)
            with torch.no_grad():
                actions.append(player(shown, rewards, starts)[member, 0].cpu().numpy())
            observation, reward, terminated, truncated, info = env.step(actions[-1])
            received = recorded_reward(task, float(reward), len(info.get(TASKS, ())))
            done = terminated or truncated
        every = -(-len(actions) // (limit - 1))
        env.reset(seed=seed)
        frames = [_rendered(env)]
        for number, action in enumerate(actions, 1):
            env.step(action)
            if number % every == 0 or number == len(actions):
                frames.append(_rendered(env))
        return frames, every / float(env.metadata.get("render_fps", 30))


def _look_from_above(environment: Any, maze: Maze) -> None:
    """Show the whole maze; AntMaze's own camera follows the ant and shows one cell."""
    robot = getattr(environment, "ant_env", None) or environment.point_env
    size = maze.scale * max(len(maze.layout), len(maze.layout[0]))
    robot.mujoco_renderer.camera_id = -1
    robot.mujoco_renderer.default_cam_config = {
        "lookat": np.zeros(3),
        "distance": 1.15 * size,
        "azimuth": 90,
        "elevation": -75,
    }


def _follow(environment: Any) -> None:
    """Look through the camera that follows the robot, where its model has one by that name.

    Walkers otherwise leave the picture: the free camera, which Gymnasium takes, stands still.
    """
    renderer, model = (getattr(environment, x, None) for x in ("mujoco_renderer", "model"))
    if renderer is None or model is None:
        return
    names = [model.camera(k).name for k in range(model.ncam)]
    if "track" in names:
        renderer.camera_id = names.index("track")


def _rendered(env: Any) -> Frame:
    try:
        frame: Frame | None = env.render()
    except Exception as error:  # whatever the graphics driver raises
        raise UserError(
            f"Rendering failed ({type(error).__name__}: {error}). Without a screen set MUJOCO_GL="
            "egl (a GPU or Mesa) or MUJOCO_GL=osmesa before the start; with one, MUJOCO_GL=glfw."
        ) from error
    if frame is None:
        raise UserError("Rendering gave no picture: the environment has no rgb_array mode.")
    return frame


def _resized(frame: Frame) -> Frame:
    height = round(GIF_WIDTH * frame.shape[0] / frame.shape[1])
    return np.asarray(Image.fromarray(frame).resize((GIF_WIDTH, height), Image.Resampling.LANCZOS))
