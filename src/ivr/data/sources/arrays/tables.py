"""Reads arrays out of the tables of Parquet and CSV files.

A vector is one column of lists (`observations`), or a column for each of its numbers
(`observation_0`, `observation_1`, ...). A cell that is empty becomes NaN.
"""

import csv
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from ivr.data.sources.arrays.cells import as_array, as_codes, as_times
from ivr.data.sources.arrays.csv import CsvFile
from ivr.data.sources.limits import check_claim
from ivr.errors import UserError

_UNREADABLE = (
    pa.ArrowException, OSError, EOFError, ValueError, MemoryError, csv.Error, zlib.error,
)  # fmt: skip
"""What the libraries raise at a file that is damaged."""

_VECTORS = ("observation", "action", "next_observation")


class TableFile:
    """Reads columns of a Parquet or CSV file by their names, those of any other not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet = path.suffix.lower() == ".parquet"

    def __enter__(self) -> "TableFile":
        """Open the file.

        Raises:
            UserError: it cannot be read.
        """
        try:
            self._file = _Parquet(self._path) if self._parquet else CsvFile(self._path)
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        self.names = self._file.names
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def unindexed(self) -> list[str]:
        """The columns with a name; the index that pandas writes along is none of the user's."""
        return [name for name in self.names if name and not name.startswith("__index_level_")]

    def usual(self, wanted: Collection[str]) -> dict[str, list[str]]:
        """Find the columns of each wanted array: the one of its name, or one for each number.

        Raises:
            UserError: there are both, or numbers are missing.
        """
        return _places(self._path, self.names, wanted)

    def names_of(self, array: str, width: int) -> tuple[str, ...]:
        """A table names its columns, and nothing else."""
        return ()

    def read(self, places: Mapping[str, Sequence[str]]) -> dict[str, list[NDArray[Any]]]:
        """Read the columns of each array: (rows,), or (rows, width) where they hold lists.

        Raises:
            UserError: the file cannot be read, or its columns are not as they must be.
        """
        used = list(dict.fromkeys(name for own in places.values() for name in own))
        others = {name for array, own in places.items() if array != "episode" for name in own}
        names = [name for name in places.get("episode", ()) if name not in others]
        try:
            repeated = sorted(name for name in used if self.names.count(name) > 1)
            if repeated:
                raise ValueError(f"it has more than one column {repeated[0]}")
            table = self._file.read(used, names) if used else pa.table({})
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        if used and not table.num_rows:
            raise UserError(f"{self._path} has no rows, only the names of its columns.")
        arrays = {}
        for array, own in places.items():
            read = {"episode": as_codes, "time": as_times}.get(array, as_array)
            arrays[array] = [read(self._path, name, table[name]) for name in own]
        return arrays

    def _unreadable(self, error: Exception) -> UserError:
        kind = "Parquet" if self._parquet else "CSV"
        return UserError(f"{self._path} cannot be read: {error}. It must be a whole {kind} file.")


def _places(path: Path, names: list[str], wanted: Collection[str]) -> dict[str, list[str]]:
    """Find the columns of each wanted array: the one of its name, or one for each number."""
    places = {name: [name] for name in wanted if name in names}
    for vector in _VECTORS:
        numbered = {n: int(m[1]) for n in names if (m := re.fullmatch(rf"{vector}_([0-9]+)", n))}
        if not numbered:
            if vector in names:  # a single control or sensor needs no number
                places.setdefault(f"{vector}s", [vector])
            continue
        flat = sorted(numbered, key=lambda name: numbered[name])
        if f"{vector}s" in places:
            raise UserError(f"{path} has both {vector}s and {flat[0]}: leave one of them out.")
        for number, name in enumerate(flat):
            if numbered[name] != number:
                raise UserError(
                    f"{path} has {len(flat)} columns {vector}_*, so {vector}_{number} should be "
                    f"among them, and there is {name}."
                )
        places[f"{vector}s"] = flat
    return places


class _Parquet:
    """Reads columns of a Parquet file by their names, without the spaces around them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = pyarrow.parquet.ParquetFile(path)
        self._written = {name.strip(): name for name in self._file.schema_arrow.names}
        self.names = [name.strip() for name in self._file.schema_arrow.names]

    def close(self) -> None:
        self._file.close()

    def read(self, wanted: Sequence[str], names: Collection[str] = ()) -> pa.Table:
        written = [self._written[name] for name in wanted]
        check_claim(self._path, _claimed(self._file.metadata, written))
        return self._file.read(columns=written).select(written).rename_columns(list(wanted))


def _claimed(described: Any, names: Collection[str]) -> int:
    """Add up the bytes that columns of a Parquet file take when they are read, 8 a number."""
    groups = (described.row_group(i) for i in range(described.num_row_groups))
    parts = (group.column(j) for group in groups for j in range(group.num_columns))
    own = (part for part in parts if part.path_in_schema.split(".")[0] in names)
    return 8 * sum(int(part.num_values) for part in own)
