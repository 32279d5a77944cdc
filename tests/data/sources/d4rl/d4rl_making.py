"""Small files in D4RL's flat HDF5 format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray


class Made(NamedTuple):
    """An episode to write: its steps, and the mark on its last row."""

    steps: int
    end: str  # "terminal", "timeout", "both", or "cut" where nothing marks it


def encoded_columns(episodes: Sequence[Made]) -> dict[str, NDArray[Any]]:
    """Rows whose observations, actions and rewards say which episode k and step t they are of."""
    rows = [(k, t, e) for k, e in enumerate(episodes) for t in range(e.steps)]
    marks = [e.end if t == e.steps - 1 else "none" for _, t, e in rows]
    return {
        "observations": np.array([(k, t) for k, t, _ in rows], np.float32),
        "actions": np.array([(k / 1000, t / 1000) for k, t, _ in rows], np.float32),
        "rewards": np.array([100 * k + t for k, t, _ in rows], np.float32),
        "next_observations": np.array([(k, t + 1) for k, t, _ in rows], np.float32),
        "terminals": np.array([mark in ("terminal", "both") for mark in marks]),
        "timeouts": np.array([mark in ("timeout", "both") for mark in marks]),
    }


def write_d4rl(path: Path, columns: dict[str, Any], **storage: Any) -> Path:
    """Write the columns, each with the given options of h5py; None leaves one out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            if values is not None:
                file.create_dataset(name, data=values, **storage)
        if "infos/qpos" not in columns:
            file["infos/qpos"] = np.zeros(3)
    return path
