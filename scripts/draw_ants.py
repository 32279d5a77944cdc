"""Draws the Ants that make the AntMaze stand-ins, each in its own medium maze: docs/ants.png.

    MUJOCO_GL=egl python scripts/draw_ants.py

Gymnasium-Robotics' above, D4RL's below: the same walls, mirrored, as D4RL's y grows with the row.
Each Ant has walked for ten seconds from the start, towards the red goal.
"""

import io
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivr.data.generation.ant import BODIES, Body, features, trained_policy
from ivr.data.generation.antmaze import maze_of
from ivr.data.generation.antmaze_walks import Trip, in_frame, in_maze, model_of, way_point
from ivr.files import write_whole

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "ants.png"
SIZE = 400
SECONDS = 10


def draw(body: str) -> NDArray[np.uint8]:
    """The medium maze with an Ant of one of BODIES in it: (SIZE, 2 * SIZE, 3), far and near."""
    maze, kind = maze_of("antmaze-medium-play"), BODIES[body]
    model = model_of(maze, body)
    ant, policy = Body(model, kind.torque), trained_policy(body)
    trip = Trip(maze.centre(maze.start), maze.centre(maze.goal), maze.goal)
    plan = maze.next_cells(maze.goal)
    ant.reset(in_frame(maze, trip.start, body))
    for _ in range(round(SECONDS / kind.step_seconds)):
        qpos, qvel = (part[None] for part in ant.state)
        way = in_frame(maze, way_point(maze, trip, plan, in_maze(maze, qpos[0, :2], body)), body)
        ant.step(np.clip(policy(features(qpos, qvel, way - qpos[:, :2]))[0], -1, 1))
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = ant.state
    model.site_pos[:, :2] = in_frame(maze, trip.goal, body)
    mujoco.mj_forward(model, data)
    middle = in_frame(maze, np.zeros(2), body)
    with mujoco.Renderer(model, SIZE, SIZE) as renderer:
        pictures = []
        for at, distance, elevation in ((middle, 42.0, -89.0), (data.qpos[:2], 6.0, -35.0)):
            camera = mujoco.MjvCamera()
            camera.lookat[:] = (*at, 0.5)
            camera.distance, camera.elevation, camera.azimuth = distance, elevation, 90
            renderer.update_scene(data, camera)
            pictures.append(renderer.render())
    return np.concatenate(pictures, axis=1)


if __name__ == "__main__":
    rows = [draw(body) for body in BODIES]
    picture = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(picture, format="png", optimize=True)
    write_whole(PICTURE, lambda file: file.write(picture.getvalue()))
