"""Tasks and scripted policies whose scores are known beforehand."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ivr.evaluation.task.build import Task, make_task
from ivr.evaluation.task.spec import TaskSpec
from ivr.mazes import Maze
from ivr.types import DataFacts


def arguments(**changed: Any) -> dict[str, Any]:
    """PointMaze's fields of `TaskSpec` and `DataFacts`, and the environment that data record."""
    return {
        "name": "pointmaze-umaze",
        "env": "PointMaze_UMaze-v3",
        "env_kwargs": None,
        "max_episode_steps": 200,
        "view": "d4rl",
        "maze": "umaze",
        "maze_scale": 1.0,
        "goal": "centre",
        "reference": [0.0, 1.0],
        "metric": "success",
        "env_spec": None,
        "observation_dim": 4,
        "action_low": [-1.0, -1.0],
        "action_high": [1.0, 1.0],
    } | changed


def antmaze_arguments(**changed: Any) -> dict[str, Any]:
    bounds = {"action_low": [-1.0] * 8, "action_high": [1.0] * 8}
    antmaze = {"env": "AntMaze_UMaze-v4", "maze_scale": 4.0, "observation_dim": 29}
    return arguments(**antmaze, **bounds) | changed


def pendulum_arguments(**changed: Any) -> dict[str, Any]:
    bounds = {"action_low": [-2.0], "action_high": [2.0]}
    plain = {"view": "flat", "maze": None, "metric": "return", "reference": None}
    pendulum = {"env": "Pendulum-v1", "max_episode_steps": 20, "observation_dim": 3}
    return arguments(**pendulum, **bounds, **plain) | changed


def make(keywords: dict[str, Any], requirements: tuple[str, ...] = ()) -> Task | None:
    names = ("observation_dim", "action_low", "action_high")
    spec = {key: value for key, value in keywords.items() if key not in (*names, "env_spec")}
    facts = DataFacts(*(keywords[name] for name in names))
    return make_task(TaskSpec(**spec), facts, keywords["env_spec"], requirements)


def task(keywords: dict[str, Any]) -> Task:
    made = make(keywords)
    assert made is not None
    return made


class Idle:
    """Does nothing."""

    def __init__(self, action_dim: int):
        self.action_dim = action_dim

    def act(self, observations: Tensor) -> Tensor:
        return torch.zeros(*observations.shape[:2], self.action_dim)

    def state_value(self, observations: Tensor) -> Tensor | None:
        return None


class PathFollower:
    """Walks the shortest way through a PointMaze, cell by cell; member 1, if any, stays idle."""

    def __init__(self, maze: Maze, idle_members: tuple[int, ...] = ()):
        self.maze = maze
        self.idle_members = idle_members
        self.batches: list[tuple[int, ...]] = []

    def act(self, observations: Tensor) -> Tensor:
        self.batches.append(tuple(observations.shape))
        actions = torch.zeros(*observations.shape[:2], 2)
        for k in range(observations.shape[0]):
            if k not in self.idle_members:
                for i, seen in enumerate(observations[k].double().numpy()):
                    way = self.maze.shortest_path(self.maze.cell(seen[:2]), self.maze.goal)
                    aim = self.maze.centre(way[min(1, len(way) - 1)])
                    force = 10.0 * (aim - seen[:2]) - seen[2:4]
                    actions[k, i] = torch.from_numpy(np.clip(force, -1, 1))
        return actions

    def state_value(self, observations: Tensor) -> Tensor | None:
        """Minus the distance to the goal, times one more than the member's number."""
        goal = torch.from_numpy(self.maze.centre(self.maze.goal)).float()
        member = torch.arange(1, len(observations) + 1)[:, None]
        return -(observations[..., :2] - goal).norm(dim=-1) * member
