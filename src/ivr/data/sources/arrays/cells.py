"""Turns the cells of a table's column into numbers, into the codes of names, and into times."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ivr.errors import UserError


def as_array(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Read a column of numbers (rows,), or of lists of equally many (rows, width).

    Raises:
        UserError: it holds something else, or lists of different lengths.
    """
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


def as_codes(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Number the values of a column of any type, (rows,): equal values get equal numbers.

    Raises:
        UserError: a cell is empty, or holds what names nothing, such as lists.
    """
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


def as_times(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Read a column of times (rows,): numbers, or dates (NaT where there is none).

    Raises:
        UserError: it holds no times.
    """
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
