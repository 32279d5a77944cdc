"""Small files of one's own data, in every form that dataset=arrays reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tests.data.sources.d4rl.d4rl_making import Made

KINDS = ("npz", "compressed npz", "parquet of lists", "parquet of numbers", "csv")
"""How `write_arrays` writes."""


def encoded_arrays(episodes: Sequence[Made]) -> dict[str, NDArray[Any]]:
    """Rows whose observations, actions and rewards say which episode k and step t they are of.

    `episode` holds numbers that differ between episodes, and neither start at 0 nor ascend.
    """
    rows = [(k, t, e) for k, e in enumerate(episodes) for t in range(e.steps)]
    marks = [e.end if t == e.steps - 1 else "none" for _, t, e in rows]
    return {
        "observations": np.array([(k, t) for k, t, _ in rows]),
        "actions": np.array([(k, t) for k, t, _ in rows]),
        "rewards": np.array([10 * k + t for k, t, _ in rows]),
        "next_observations": np.array([(k, t + 1) for k, t, _ in rows]),
        "terminated": np.array([mark in ("terminal", "both") for mark in marks]),
        "truncated": np.array([mark in ("timeout", "both") for mark in marks]),
        "episode": np.array([37 * (k + 1) % 101 for k, _, _ in rows]),
    }


def write_arrays(path: Path, arrays: dict[str, Any], kind: str = "npz") -> Path:
    """Write to `path` with the suffix of `kind`; an array that is None is left out."""
    arrays = {name: values for name, values in arrays.items() if values is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    if "npz" in kind:
        path = path.with_suffix(".npz")
        (np.savez_compressed if "compressed" in kind else np.savez)(path, **arrays)
        return path
    table: dict[str, Any] = {}
    for name, values in arrays.items():
        native = values.astype(values.dtype.newbyteorder("="))
        if values.ndim == 1:
            table[name] = native
        elif "lists" in kind:
            table[name] = list(native)
        else:
            # Backwards: the order of the columns in the file means nothing.
            for i in reversed(range(values.shape[1])):
                table[f"{name[:-1]}_{i}"] = native[:, i]
    return write_table(path, table, "csv" if kind == "csv" else "parquet")


def write_table(path: Path, columns: dict[str, Any], suffix: str) -> Path:
    """Write the columns as they are to `path` with the suffix parquet or csv."""
    path = path.with_suffix(f".{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write = pyarrow.csv.write_csv if suffix == "csv" else pyarrow.parquet.write_table
    write(pa.table(columns), path)
    return path
