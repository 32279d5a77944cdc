"""Opens the columns of D4RL's HDF5 files."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py

from ivr.data.sources.columns import AXES, QPOS, QVEL, Column, check_columns
from ivr.data.sources.hdf5 import claimed_bytes, open_hdf5, own_entry
from ivr.data.sources.limits import check_claim
from ivr.data.sources.names import renamed
from ivr.errors import UserError

_OPTIONAL = {"next_observations", "timeouts"}

_UNREADABLE = (
    OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError,
    MemoryError,
)  # fmt: skip
"""What h5py raises at a file that is damaged."""


@contextmanager
def open_columns(path: Path, states: bool = False) -> Iterator[dict[str, Column]]:
    """Open the columns of `path` by name; next_observations and timeouts may be missing.

    Args:
        path: of the file.
        states: also open QPOS and QVEL, where they are recorded for every row.

    Raises:
        UserError: the file cannot be read, or is not one of D4RL's.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_hdf5(path))
            names = sorted(file)
            entries = {name: own_entry(file, name) for name in AXES if name in names}
            found = {name: one for name, one in entries.items() if isinstance(one, h5py.Dataset)}
            check_claim(path, claimed_bytes(found.values()))
            columns = {name: Column(path, name, one, AXES[name]) for name, one in found.items()}
            more = _states(path, file) if states else {}
        except _UNREADABLE as error:
            raise UserError(
                f"{path} is not an HDF5 file that can be read: {error}. It may be cut short: fetch "
                "it anew, or pass another dataset.path."
            ) from error
        missing = [name for name in AXES if name not in found and name not in _OPTIONAL]
        if missing:
            raise UserError(
                f"{path} has no {', '.join(missing)}: it holds {', '.join(names[:8]) or 'nothing'}"
                f"{', ...' if len(names) > 8 else ''}. A D4RL file holds {', '.join(AXES)}; a "
                "Minari dataset is read with dataset=minari, other data with dataset=arrays."
                f"{renamed(missing, names)}"
            )
        check_columns(path, columns)
        if all(column.rows == columns["rewards"].rows for column in more.values()):
            columns |= more
        yield columns


def _states(path: Path, file: Any) -> dict[str, Column]:
    try:
        found = {name: own_entry(file, name) for name in (QPOS, QVEL)}
    except KeyError:
        return {}
    columns = {
        name: Column(path, name, stored, 2)
        for name, stored in found.items()
        if isinstance(stored, h5py.Dataset) and stored.dtype.kind == "f"
    }
    check_claim(path, claimed_bytes(found[name] for name in columns))
    fit = all(len(column.shape) == 2 for column in columns.values())
    return columns if fit and len(columns) == 2 else {}


def recorded_id(path: Path) -> str | None:
    """Read the id, ivr/..., of a file that this project generated; None for any other file."""
    try:
        with open_hdf5(path) as file:
            found = file.attrs.get("dataset_id")
    except _UNREADABLE:  # open_columns reports it
        return None
    return found if isinstance(found, str) and found.startswith("ivr/") else None
