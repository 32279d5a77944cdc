"""Opens CSV files as programs and spreadsheets write them."""

import codecs
import csv
import gzip
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ivr.data.sources.limits import check_claim
from ivr.errors import UserError

_DELIMITERS = ",;\t|"
_PIECE = 1 << 20
_PER_BYTE = 4
"""Bytes in memory for a byte of text, as in "0,"."""


class CsvFile:
    """Reads columns of a CSV file by the names in its first line.

    Detected are the delimiter (also by Excel's line sep=;), a comma as the decimal point where it
    is not the delimiter, UTF-16 by its byte order mark, Windows' cp1252 where it is no UTF-8, and
    gzip by the file's name.
    """

    def __init__(self, path: Path) -> None:
        """Read the file whole, and its first line.

        Raises:
            OSError, EOFError, zlib.error, csv.Error, ValueError: the file is damaged.
            UserError: it is far larger than it can have been before it was packed.
        """
        self._path = path
        self._content = _content(path)
        lines = self._content[:_PIECE].splitlines() or [b""]
        told = re.fullmatch(rb"sep=(.)\s*", lines[0])  # a line that Excel reads and writes
        self._before = 1 if told else 0
        header = lines[self._before].decode() if len(lines) > self._before else ""
        self._delimiter = told[1].decode() if told else max(_DELIMITERS, key=header.count)
        cells = csv.reader([header], delimiter=self._delimiter, skipinitialspace=True)
        self.names = [name.strip() for name in next(cells, [])]
        if not any(self.names):
            raise ValueError("Empty CSV file: its first line should name the columns")

    def close(self) -> None:
        """Nothing is held open."""

    def read(self, wanted: Sequence[str], names: Collection[str] = ()) -> pa.Table:
        """Read the columns of these names; one that is not of numbers throughout becomes text.

        Args:
            wanted: the columns.
            names: those that are text whatever they hold: 3.1 and 3.10 are two names.

        Raises:
            pa.ArrowException: rows that do not fit the first line.
            UserError: a point in whole numbers may separate thousands.
        """
        table = self._read(wanted, names, ".")
        if self._delimiter != "," and _texts(table):
            other = self._read(wanted, names, ",")
            table = other if len(_texts(other)) < len(_texts(table)) else table
        numbers = [field.name for field in table.schema if pa.types.is_floating(field.type)]
        if self._delimiter == ";" and numbers:
            self._check_thousands(table, numbers)
        return table

    def _check_thousands(self, table: pa.Table, numbers: Sequence[str]) -> None:
        """Refuse 982 beside 1.003 where a semicolon says that a comma is the decimal point."""
        for name, cells in zip(numbers, self._read(numbers, numbers, ".").columns, strict=True):
            whole = pc.match_substring_regex(cells, r"^\s*[-+]?[0-9]+\s*$")
            grouped = pc.match_substring_regex(cells, r"^\s*[-+]?[1-9][0-9]{0,2}(\.[0-9]{3})+\s*$")
            blank = pc.equal(pc.utf8_trim_whitespace(cells), "")
            found = [pc.sum(kind).as_py() or 0 for kind in (whole, grouped, blank)]
            if not all(found[:2]) or sum(found) != len(cells):
                continue
            numbers_of = [pc.filter(table[name], kind) for kind in (whole, grouped)]
            (least, greatest), (low, high) = (pc.min_max(x).as_py().values() for x in numbers_of)
            # 982 and 1.003; but 20, 21 and 20.125 are measured in eighths, and 100 ends 80.125.
            goes_on = 1000 * low <= 10 * greatest
            if goes_on and (high < least or low > greatest):
                row = pc.index(grouped, True).as_py()
                raise UserError(
                    f"{self._path}, row {row}: {name} is {cells[row].as_py().strip()} among whole "
                    "numbers, so that the point may separate thousands: save numbers without it"
                )

    def _read(self, wanted: Sequence[str], names: Collection[str], point: str) -> pa.Table:
        # One block: the types of columns are inferred from the first, and a column of 0, 0, ... may
        # hold 0.5 in the next.
        size = min(max(_PIECE, len(self._content)), 2**31 - 1)
        return pyarrow.csv.read_csv(
            pa.BufferReader(self._content),
            read_options=pyarrow.csv.ReadOptions(
                column_names=self.names, skip_rows=1 + self._before, block_size=size
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                decimal_point=point,
                column_types=dict.fromkeys(names, pa.string()),
                true_values=_words("true"),
                false_values=_words("false"),
            ),
        )


def _words(word: str) -> list[str]:
    """List the ways to write a truth value; pyarrow removes spaces from numbers only."""
    return [space + one for one in (word, word.title(), word.upper()) for space in ("", " ")]


def _texts(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if pa.types.is_string(field.type)]


def _content(path: Path) -> bytes:
    packed = path.name.lower().endswith(".gz")
    content = _unpacked(path) if packed else path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        content.decode()
    except UnicodeDecodeError:  # a spreadsheet's on Windows, with a degree sign in the first line
        content = content.decode("cp1252").encode()
    return content


def _unpacked(path: Path) -> bytes:
    pieces, size = [], 0
    with gzip.open(path) as file:
        while piece := file.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            check_claim(path, _PER_BYTE * size)
    return b"".join(pieces)
