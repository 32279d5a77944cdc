"""Takes data from the columns of a frame, whose names are kept through to the policy."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from ivr.api.dataset import Dataset
from ivr.api.own import Bounds, content_name, keep, with_bounds
from ivr.errors import UserError, nearest

Columns = str | Sequence[str]


def from_frame(
    frame: Any,
    *,
    observations: Columns,
    actions: Columns,
    reward: str,
    episode: Columns | None = None,
    time: str | None = None,
    terminated: str | None = None,
    truncated: str | None = None,
    next_observations: Columns | None = None,
    action_low: Bounds = None,
    action_high: Bounds = None,
    beyond_bounds: str | None = None,
    path: str | Path | None = None,
    **options: Any,
) -> Dataset:
    """Take transitions from the columns of a frame, one row a step.

    They are kept in a Parquet file, and are the same data as `dataset=arrays dataset.path=FILE`
    with the same `dataset.columns`.

    Args:
        frame: of pandas or polars, a table of pyarrow, or a dict of arrays: whatever has
            `frame[column]`.
        observations, actions: columns of numbers.
        reward: a column.
        episode: a column that names each row's episode, or several, such as ["site", "day"].
        time: a column that the rows of each episode are sorted by.
        terminated: a column, 1 where the task itself ended.
        truncated: a column, 1 where only the recording stopped.
        next_observations: columns, in the order of the observations.
        action_low, action_high, beyond_bounds, options: see `from_arrays`.
        path: a .parquet file to keep them in; None for one in the cache.

    Raises:
        UserError: a column is not there, or the data have a defect.
    """
    roles = {
        "observations": observations,
        "actions": actions,
        "reward": reward,
        "next_observations": next_observations,
        "terminated": terminated,
        "truncated": truncated,
        "episode": episode,
        "time": time,
    }
    chosen = {
        f"columns.{role}": [names] if isinstance(names, str) else [str(name) for name in names]
        for role, names in roles.items()
        if names is not None
    }
    wanted = dict.fromkeys(name for names in chosen.values() for name in names)
    columns = {name: _arrow(name, _column(frame, name)) for name in wanted}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise UserError(f"the columns have different numbers of rows: {said}")
    table = pa.table(columns)
    content = io.BytesIO()
    pyarrow.parquet.write_table(table, content)
    return keep(
        content_name([content.getvalue()]),
        path,
        ".parquet",
        lambda file: file.write(content.getvalue()),
        with_bounds(options | chosen, action_low, action_high, beyond_bounds),
    )


def _column(frame: Any, name: str) -> Any:
    try:
        return frame[name]
    except Exception as error:  # each library raises its own
        names = getattr(frame, "column_names", None) or getattr(frame, "columns", frame)
        near = nearest(name, map(str, names if isinstance(names, Iterable) else ()))
        raise UserError(f"the frame has no column {name}{near}") from error


def _arrow(name: str, column: Any) -> Any:
    """A column as pyarrow holds it; missing values of pandas are missing."""
    try:
        if hasattr(column, "to_arrow"):  # of polars
            return column.to_arrow()
        if isinstance(column, pa.Array | pa.ChunkedArray):
            return column
        if hasattr(column, "to_numpy"):
            return pa.Array.from_pandas(column)
        array = np.asarray(column)
        return pa.array(array if array.ndim == 1 else list(array))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UserError(f"the column {name} cannot be taken: {error}") from error
