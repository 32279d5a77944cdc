"""Reads arrays out of the tables of Parquet and CSV files.

A vector is one column of lists (`observations`), or a column for each of its numbers
(`observation_0`, `observation_1`, ...). A cell that is empty becomes NaN.
"""

import csv
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

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
            read = {"episode": _codes, "time": _times}.get(array, _array)
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


def _array(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)):  # fmt: skip
        return _numbers(path, name, column)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    if len(lengths) == 0:
        return np.zeros((0, 1))
    if (lengths != lengths[0]).any():
        row = int(np.argmax(lengths != lengths[0]))
        raise UserError(
            f"{path}, row {row}: {name} has {lengths[row]} numbers, and {lengths[0]} in row 0."
        )
    inner = pa.chunked_array([c.flatten() for c in column.chunks], kind.value_type)
    return _numbers(path, name, inner).reshape(len(lengths), -1 if lengths[0] else 0)


def _numbers(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    kind = column.type
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_boolean(kind) or pa.types.is_null(kind):
        column = column.cast(pa.uint8())  # of which an empty cell can become NaN
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        values = enumerate(column.to_pylist())
        where = next(((row, value) for row, value in values if not _is_number(value)), None)
        example = f", as in row {where[0]}: {where[1]!r:.80}" if where else ""
        raise UserError(
            f"{path}: {name} holds {kind}{example}. It should hold numbers: {_recipe(name, kind)}."
        )
    return np.asarray(column.to_numpy())


def _recipe(name: str, kind: pa.DataType) -> str:
    """How pandas or polars make numbers of a column, by what it holds."""
    if pa.types.is_duration(kind):
        return f"log['{name}'] = log['{name}'].dt.total_seconds()"
    if pa.types.is_temporal(kind):
        return (
            f"give the order of rows as dataset.columns.time={name}, and what of the time matters "
            f"as columns of their own, as in log['hour'] = log['{name}'].dt.hour"
        )
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return (
            f"a column for each category, by pandas.get_dummies(log, columns=['{name}'], "
            f"dtype=float) or polars' log.to_dummies('{name}'); of two words alone, "
            f"log['{name}'] = log['{name}'] == 'yes'; or, where it is text by a few cells, "
            f"log['{name}'] = pandas.to_numeric(log['{name}'], errors='coerce'), "
            "which leaves those missing"
        )
    return "leave it out, or save its numbers as columns of their own"


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _codes(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Number the values of a column of any type: equal values get equal numbers."""
    empty = pc.is_null(column, nan_is_null=True).to_numpy()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # What a CSV file holds between two commas; Parquet has nulls.
        column = pc.utf8_trim_whitespace(column)
        empty |= pc.fill_null(pc.equal(column, ""), True).to_numpy()
        if pc.all(pc.match_substring_regex(column, r"^-?[0-9]+(\.0+)?$")).as_py():
            column = pc.replace_substring_regex(column, r"\.0+$", "")  # 1 and 1.0
    if empty.any():
        row = int(np.argmax(empty))
        raise UserError(f"{path}, row {row}: {name} is empty. Give every row its episode.")
    try:
        encoded = column.combine_chunks().dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise UserError(
            f"{path}: {name} holds {column.type}. It should hold the number or the name of the "
            "episode."
        ) from error
    return np.asarray(encoded.indices.to_numpy())


def _times(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Read a column of times: numbers, or dates (NaT where there is none)."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit = "ns" if pa.types.is_timestamp(kind) and kind.unit == "ns" else "us"
        zone = kind.tz if _zoned(kind) else None
        return np.asarray(column.cast(pa.timestamp(unit, zone)).to_numpy())
    if pa.types.is_duration(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(column.to_numpy())
    if pa.types.is_time(kind):
        since_midnight = column.cast(pa.time64("ns")).cast(pa.int64())
        return np.asarray(since_midnight.to_numpy()).astype("timedelta64[ns]")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        for unit in ("us", "ns"):  # 2024-03-01 12:30:00, as CSV files have it
            with suppress(pa.ArrowInvalid):
                return np.asarray(column.cast(pa.timestamp(unit)).to_numpy())
    raise UserError(
        f"{path}: {name} holds {kind}, and no times that can be ordered: "
        f"log['{name}'] = pandas.to_datetime(log['{name}'], format='%d.%m.%Y %H:%M'), with the "
        "format that it has (and utc=True where it names zones), and save the table as Parquet."
    )


def _zoned(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None
