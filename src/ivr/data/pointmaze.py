"""Generates PointMaze data in the manner of D4RL's maze2d, for machines without a download.

A planner walks a point between random cells: each episode is the way to one target, on the
shortest path, by a noisy velocity controller, and the next episode goes on from there. After a
few targets the point is put elsewhere. All targets of such a walk lie in one neighbourhood
whose width is at most a third of the way from the evaluation's start to its goal: no trajectory
shows that way, a policy must stitch it. At every cell the walks go on in all directions and turn
back as often, so that imitating their mean leads nowhere.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gymnasium_robotics.envs.maze.point import PointEnv
from gymnasium_robotics.envs.maze.point_maze import PointMazeEnv
from numpy.typing import NDArray
from tqdm import tqdm

from ivr.data.locate import datasets_root
from ivr.data.minari_writer import MinariWriter
from ivr.data.store import new_folder
from ivr.errors import UserError
from ivr.mazes import SUCCESS_RADIUS, Cell, Maze

_TRANSITIONS = {"umaze": 100_000, "medium": 200_000, "large": 300_000}
_ENVIRONMENTS = {
    "umaze": "PointMaze_UMaze-v3",
    "medium": "PointMaze_Medium-v3",
    "large": "PointMaze_Large-v3",
}
_BYTES_PER_TRANSITION = 200


@dataclass(frozen=True)
class Walker:
    """How the walks are made; lengths in metres, speeds in metres a second (100 steps)."""

    targets: int = 4  # episodes between two resets
    speed: tuple[float, float] = (2.0, 4.0)  # drawn for each episode
    gain: float = 0.6  # action for each m/s that the velocity is off
    noise: float = 0.4  # standard deviation of the noise on actions
    start_jitter: float = 0.25  # of starts around a cell's centre, along each axis
    target_jitter: float = 0.1  # of targets
    reached: float = 0.1  # distance to the target at which the episode ends
    limit: int = 400  # steps of an episode


class Walk(NamedTuple):
    """One episode of T steps."""

    observations: NDArray[np.float64]  # (T + 1, 4): x, y and their velocities
    actions: NDArray[np.float32]  # (T, 2)
    target: NDArray[np.float64]  # (2,)


def ensure_pointmaze(name: str, progress: bool = True) -> Path:
    """The folder, above data/, of pointmaze-umaze, -medium or -large; generated if missing.

    It is a local Minari dataset, `ivr/<name>-v0`, among Minari's own.

    Raises:
        UserError: no such maze, or a place that cannot be written to.
    """
    maze = name.removeprefix("pointmaze-")
    if maze not in _TRANSITIONS:
        raise UserError(
            f"dataset=pointmaze: there is no {name}; choose dataset.maze from "
            f"{', '.join(_TRANSITIONS)}."
        )
    folder = datasets_root() / "ivr" / f"pointmaze-{maze}-v0"
    if not folder.exists():
        needed = _TRANSITIONS[maze] * _BYTES_PER_TRANSITION
        with new_folder(folder, needed, "MINARI_DATASETS_PATH") as temporary:
            generate(maze, temporary, progress=progress)
    return folder


def generate(
    maze_name: str,
    folder: Path,
    *,
    transitions: int | None = None,
    seed: int = 0,
    walker: Walker | None = None,
    progress: bool = False,
) -> None:
    """Write at least `transitions` of them to `folder`/data, in Minari's format.

    The same arguments and package versions give the same bytes.
    """
    maze = Maze.named(maze_name, 1.0)
    total = transitions or _TRANSITIONS[maze_name]
    rng = np.random.default_rng(seed)
    dataset_id = f"ivr/pointmaze-{maze_name}-v0"
    bar = tqdm(total=total, desc=f"generating {dataset_id}", unit=" steps", disable=not progress)
    with bar, MinariWriter(folder, dataset_id, _ENVIRONMENTS[maze_name], maze, seed) as writer:
        for walk in _walks(maze, walker or Walker(), rng):
            assert not connects(maze, walk.observations[:, :2])
            writer.add(walk.observations, walk.actions, walk.target)
            bar.update(len(walk.actions))
            if writer.total_steps >= total:
                break


def connects(maze: Maze, positions: NDArray[np.float64]) -> bool:
    """Whether a trajectory (T, 2) is near the evaluation's start and later near its goal."""
    near = [
        np.linalg.norm(positions - maze.centre(cell), axis=1) <= SUCCESS_RADIUS
        for cell in (maze.start, maze.goal)
    ]
    return bool(near[0].any() and near[1][np.argmax(near[0]) :].any())


def _walks(maze: Maze, walker: Walker, rng: np.random.Generator) -> Iterator[Walk]:
    cells = maze.free_cells()
    towards = {target: _next_cells(maze, target) for target in cells}
    radius = (len(maze.shortest_path(maze.start, maze.goal)) - 1) // 6
    environment = _environment(maze)
    point = environment.point_env
    try:
        while True:
            at, region = _region(maze, cells, radius, rng)
            start = maze.centre(at) + walker.start_jitter * rng.uniform(-1, 1, 2)
            point.set_state(start, np.zeros(2))
            walks = []
            for _ in range(walker.targets):
                goal = at
                while goal == at:
                    goal = region[rng.integers(len(region))]
                target = maze.centre(goal) + walker.target_jitter * rng.uniform(-1, 1, 2)
                walks.append(_walk(maze, walker, point, towards[goal], goal, target, rng))
                at = goal
            # The walks of one start are one trajectory, however they are recorded.
            if not connects(maze, np.concatenate([walk.observations[:, :2] for walk in walks])):
                yield from walks
    finally:
        environment.close()


def _environment(maze: Maze) -> PointMazeEnv:
    # It leaves its model in the temporary folder, under a name made of the clock.
    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory() as private:
        tempfile.tempdir = private
        try:
            return PointMazeEnv(maze_map=[list(row) for row in maze.layout])
        finally:
            tempfile.tempdir = usual


def _region(
    maze: Maze, cells: list[Cell], radius: int, rng: np.random.Generator
) -> tuple[Cell, list[Cell]]:
    """A cell to start from and the region around a random centre that the walks stay in."""
    centre = cells[rng.integers(len(cells))]
    region = [cell for cell in cells if len(maze.shortest_path(centre, cell)) - 1 <= radius]
    return region[rng.integers(len(region))], region


def _next_cells(maze: Maze, target: Cell) -> dict[Cell, Cell]:
    """The next cell on a shortest path to `target`, from each free cell."""
    return {
        cell: maze.shortest_path(cell, target)[1] if cell != target else target
        for cell in maze.free_cells()
    }


def _walk(
    maze: Maze,
    walker: Walker,
    point: PointEnv,
    towards: dict[Cell, Cell],
    goal: Cell,
    target: NDArray[np.float64],
    rng: np.random.Generator,
) -> Walk:
    speed = rng.uniform(*walker.speed)
    state = np.concatenate([point.data.qpos, point.data.qvel])
    observations, actions = [state], []
    noise = walker.noise * rng.standard_normal((walker.limit, 2))
    for step in range(walker.limit):
        cell = maze.cell(state[:2])
        # From anywhere in a cell, the way to a point of the next one is straight and free.
        way = (target if cell == goal else maze.centre(towards[cell])) - state[:2]
        wanted = speed * way / max(float(np.linalg.norm(way)), 1e-6)
        action = walker.gain * (wanted - state[2:]) + noise[step]
        action = np.clip(action, -1, 1).astype(np.float32)
        state = point.step(action)[0]
        observations.append(state)
        actions.append(action)
        if np.linalg.norm(state[:2] - target) <= walker.reached:
            break
    return Walk(np.array(observations), np.array(actions), target)
