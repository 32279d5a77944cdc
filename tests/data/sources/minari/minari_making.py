"""Small Minari datasets, written in the published layout."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def encoded_episodes(lengths: Sequence[int]) -> list[dict[str, Any]]:
    """Episodes whose observations and actions say which episode and step they are."""
    return [
        {
            "observations": np.stack([np.full(n + 1, k), np.arange(n + 1)], axis=1).astype(float),
            "actions": np.stack([np.full(n, k), np.arange(n)], axis=1) / 1000,
            "rewards": np.arange(n) + 100.0 * k,
            "terminations": np.zeros(n, bool),
            "truncations": np.arange(1, n + 1) == n,
        }
        for k, n in enumerate(lengths)
    ]


def maze_episode(positions: Any, desired_goal: Any = (50.0, 50.0)) -> dict[str, Any]:
    """An AntMaze-like episode with the given positions (T + 1, 2); never terminated."""
    positions = np.asarray(positions, float)
    steps = len(positions) - 1
    return {
        "observations": {
            "achieved_goal": positions,
            "desired_goal": np.broadcast_to(np.asarray(desired_goal, float), positions.shape),
            "observation": np.arange(3.0 * (steps + 1)).reshape(-1, 3) + 1000,
        },
        "actions": np.zeros((steps, 2)),
        "rewards": np.full(steps, 7.0),
        "terminations": np.zeros(steps, bool),
        "truncations": np.arange(1, steps + 1) == steps,
    }


def _box(size: int, low: float, high: float) -> dict[str, Any]:
    box = {"type": "Box", "dtype": "float64", "shape": [size]}
    return {**box, "low": [low] * size, "high": [high] * size}


def write_minari(
    folder: Path,
    episodes: list[dict[str, Any]],
    bounds: tuple[float, float] = (-1.0, 1.0),
    maze_map: Any = None,
    compression: str | None = None,
    **metadata: Any,
) -> Path:
    """Write episodes as a Minari dataset, into `folder`/data, and return `folder`."""
    data = folder / "data"
    data.mkdir(parents=True)
    with h5py.File(data / "main_data.hdf5", "w") as file:
        for number, episode in enumerate(episodes):
            for key, value in episode.items():
                arrays = value if isinstance(value, dict) else {"": value}
                for name, array in arrays.items():
                    place = f"episode_{number}/{key}/{name}".rstrip("/")
                    packed = compression if np.size(array) else None  # no chunk holds nothing
                    file.create_dataset(place, data=array, compression=packed)
    first = episodes[0]["observations"] if episodes else np.zeros((1, 2))
    infinity = float("inf")
    if isinstance(first, dict):
        boxes = {key: _box(v.shape[1], -infinity, infinity) for key, v in first.items()}
        space = {"type": "Dict", "subspaces": boxes}
    else:
        space = _box(first.shape[1], -infinity, infinity)
    facts = {
        "total_episodes": len(episodes),
        "total_steps": sum(np.size(episode["rewards"]) for episode in episodes),
        "data_format": "hdf5",
        "dataset_id": "test/made-v0",
        "minari_version": "0.5.4",
        "observation_space": json.dumps(space),
        "action_space": json.dumps(_box(2, *bounds)),
    }
    if maze_map is not None:
        facts["env_spec"] = json.dumps({"id": "Maze-v0", "kwargs": {"maze_map": maze_map}})
    (data / "metadata.json").write_text(json.dumps(facts | metadata))
    return folder
