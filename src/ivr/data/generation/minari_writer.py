"""Writes Minari's on-disk format (0.5, HDF5), byte for byte the same for the same data."""

import copy
import json
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import gymnasium
import gymnasium_robotics
import h5py
import numpy as np
from gymnasium.spaces import Box, Dict
from minari.serialization import serialize_space
from numpy.typing import NDArray

from ivr.data.generation.hdf5 import new_hdf5
from ivr.mazes import Maze

REWARD_RADIUS = 0.45
"""The distance within which the environment itself gives its reward."""


@dataclass(frozen=True)
class Recording:
    """Metadata of a dataset that was generated in a maze of Gymnasium-Robotics."""

    dataset_id: str
    env_id: str
    maze: Maze
    observation_size: int
    action_size: int
    algorithm: str
    description: str
    compressed: bool = False  # for long episodes: short ones would grow


class MinariWriter:
    """Writes maze episodes into `folder`/data, and their metadata at the end.

    Minari's own writer is not used: it makes each array resizable, which takes ten times the
    space for episodes as short as PointMaze's.
    """

    def __init__(self, folder: Path, recording: Recording) -> None:
        """Open `folder`/data/main_data.hdf5."""
        self.total_steps = self.total_episodes = 0
        self._data = folder / "data"
        self._data.mkdir()
        self._recording = recording
        self._open = ExitStack()
        self._file, self._disk = self._open.enter_context(new_hdf5(self._data / "main_data.hdf5"))

    def add(
        self,
        positions: NDArray[np.float64],
        observations: NDArray[np.float64],
        actions: NDArray[np.float32],
        target: NDArray[np.float64],
        success: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one episode of T steps.

        Args:
            positions: (T + 1, 2), metres.
            observations: (T + 1, O), what the environment observes besides the goals.
            actions: (T, A).
            target: (2,), the episode's own goal.
            success: (T + 1,), what the environment's info reports; None to leave it out.

        Raises:
            OSError: the disk is full or fails.
        """
        steps = len(actions)
        group = self._file.create_group(f"episode_{self.total_episodes}")
        group.attrs["id"] = self.total_episodes
        group.attrs["total_steps"] = steps
        self._put(group, "observations/observation", observations)
        self._put(group, "observations/achieved_goal", positions)
        self._put(group, "observations/desired_goal", np.tile(target, (steps + 1, 1)))
        self._put(group, "actions", actions)
        distance = np.linalg.norm(positions[1:] - target, axis=1)
        group["rewards"] = (distance <= REWARD_RADIUS).astype(np.float64)
        # The environment continues after a success: an episode is only ever truncated.
        group["terminations"] = np.zeros(steps, np.bool_)
        group["truncations"] = np.arange(1, steps + 1) == steps
        if success is not None:
            group["infos/success"] = success
        self._disk.check()
        self.total_episodes += 1
        self.total_steps += steps

    def _put(self, group: h5py.Group, name: str, values: NDArray[np.floating]) -> None:
        if self._recording.compressed:
            group.create_dataset(
                name, data=values, chunks=values.shape, compression=1, shuffle=True
            )
        else:
            group[name] = values

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, traceback)
        if error is None:
            (self._data / "metadata.json").write_text(json.dumps(self._metadata(), indent=1))

    def _metadata(self) -> dict[str, Any]:
        recording = self._recording
        goal = Box(-np.inf, np.inf, (2,), np.float64)
        state = Box(-np.inf, np.inf, (recording.observation_size,), np.float64)
        space = Dict({"achieved_goal": goal, "desired_goal": goal, "observation": state})
        maze = recording.maze
        marked: list[list[int | str]] = [list(row) for row in maze.layout]
        for cell, mark in ((maze.start, "r"), (maze.goal, "g")):
            marked[cell[0]][cell[1]] = mark
        return {
            "total_episodes": self.total_episodes,
            "total_steps": self.total_steps,
            "data_format": "hdf5",
            "observation_space": serialize_space(space),
            "action_space": serialize_space(Box(-1.0, 1.0, (recording.action_size,), np.float32)),
            "env_spec": self._spec([list(row) for row in maze.layout], continuing=True),
            "eval_env_spec": self._spec(marked, continuing=False),
            "dataset_size": round((self._data / "main_data.hdf5").stat().st_size / 1e6, 1),
            "dataset_id": recording.dataset_id,
            "algorithm_name": recording.algorithm,
            "author": ["ivr"],
            "description": recording.description,
            "minari_version": version("minari"),
            "requirements": [f"gymnasium-robotics=={version('gymnasium-robotics')}"],
        }

    def _spec(self, cells: list[list[Any]], *, continuing: bool) -> str:
        gymnasium.register_envs(gymnasium_robotics)
        spec = copy.deepcopy(gymnasium.spec(self._recording.env_id))
        spec.kwargs = {
            "maze_map": cells,
            "reward_type": "sparse",
            "continuing_task": continuing,
            "reset_target": False,
        }
        return spec.to_json()
