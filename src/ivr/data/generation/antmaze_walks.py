"""Steers an Ant through a maze: a planner chooses way points, the trained policy walks.

Plans are made in the frame of `ivr.mazes`. The Ant of D4RL walks in D4RL's frame, where the start
cell is the origin and y grows with the row.
"""

import functools
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import gymnasium
import mujoco
import numpy as np
from gymnasium_robotics.envs.maze.ant_maze_v4 import AntMazeEnv
from numpy.typing import NDArray

from ivr.data.generation.ant import ACTIONS, BODIES, Body, Network, features, trained_policy
from ivr.data.generation.minari_writer import REWARD_RADIUS
from ivr.files import private_temporary_folder
from ivr.mazes import MAZES, Cell, Maze

NOISE = 0.2  # standard deviation of the noise on actions


@dataclass(frozen=True)
class Trip:
    """Start and goal of an episode, in metres."""

    start: NDArray[np.float64]  # (2,)
    goal: NDArray[np.float64]  # (2,)
    goal_cell: Cell


class AntEpisode(NamedTuple):
    """One episode of T steps, in the frame of its Ant."""

    states: NDArray[np.float64]  # (T + 1, 29): x, y, and the 27 numbers of the observation
    actions: NDArray[np.float32]  # (T, 8)
    goal: NDArray[np.float64]  # (2,)


def walk_all(
    maze: Maze,
    trips: list[Trip],
    limit: int,
    rngs: list[np.random.Generator],
    noise: float = NOISE,
    body: str = "gymnasium",
) -> list[AntEpisode]:
    """Simulate the episodes of all trips, each to its goal or for `limit` steps.

    Positions and velocities are rounded to single precision: it saves half of the space.
    """
    ants = [Body(model_of(maze, body), BODIES[body].torque) for _ in trips]
    goals = [in_frame(maze, trip.goal, body) for trip in trips]
    for ant, trip in zip(ants, trips, strict=True):
        ant.reset(in_frame(maze, trip.start, body))
    errors = [noise * rng.standard_normal((limit, ACTIONS)) for rng in rngs]
    plans = [maze.next_cells(trip.goal_cell) for trip in trips]
    states = [[np.concatenate(ant.state).astype(np.float32)] for ant in ants]
    actions: list[list[NDArray[np.float32]]] = [[] for _ in ants]
    going = list(range(len(ants)))
    policy = _policy(body)
    for step in range(limit):
        if not going:
            break
        qpos, qvel = (np.stack(part) for part in zip(*(ants[k].state for k in going), strict=True))
        way = [
            in_frame(maze, way_point(maze, trips[k], plans[k], in_maze(maze, q[:2], body)), body)
            for k, q in zip(going, qpos, strict=True)
        ]
        wanted = policy(features(qpos, qvel, np.stack(way) - qpos[:, :2]))
        torques = np.clip(wanted + [errors[k][step] for k in going], -1, 1).astype(np.float32)
        for k, torque in zip(going, torques, strict=True):
            ants[k].step(torque)
            actions[k].append(torque)
            states[k].append(np.concatenate(ants[k].state).astype(np.float32))
        going = [k for k in going if np.linalg.norm(states[k][-1][:2] - goals[k]) > REWARD_RADIUS]
    return [
        AntEpisode(np.array(s, np.float64), np.array(a), goal)
        for s, a, goal in zip(states, actions, goals, strict=True)
    ]


def in_frame(maze: Maze, xy: NDArray[np.float64], body: str) -> NDArray[np.float64]:
    """Points (..., 2) of the maze in the frame that an Ant of `body` walks in."""
    return (xy - maze.centre(maze.start)) * (1, -1) if body == "d4rl" else xy


def in_maze(maze: Maze, xy: NDArray[np.float64], body: str) -> NDArray[np.float64]:
    """The inverse of `in_frame`."""
    return np.asarray(replace(maze, d4rl_frame=body == "d4rl").centred(xy), np.float64)


def way_point(
    maze: Maze, trip: Trip, plan: dict[Cell, Cell], xy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the way point from (x, y): the next cell's centre, or the goal in the goal's cell."""
    cell = maze.cell(xy)
    if cell == trip.goal_cell:
        return trip.goal
    if cell in plan:
        return maze.centre(plan[cell])
    # Pressed into a wall: back to the nearest free cell.
    return min(map(maze.centre, plan), key=lambda centre: float(np.linalg.norm(centre - xy)))


@functools.cache
def model_of(maze: Maze, body: str = "gymnasium") -> mujoco.MjModel:
    """Build the MuJoCo model of AntMaze's environment: an Ant between the walls of `maze`."""
    if body == "d4rl":
        name = next(name for name in MAZES if Maze.named(name, maze.scale) == maze)
        with closing(gymnasium.make(f"ivr/D4RLAntMaze-{name}-v2")) as env:
            simulation: Any = env.unwrapped
            return simulation.model
    with private_temporary_folder():
        return AntMazeEnv(maze_map=[list(row) for row in maze.layout]).model


@functools.cache
def _policy(body: str) -> Network:
    return trained_policy(body)
