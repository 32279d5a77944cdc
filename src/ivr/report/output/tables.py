"""Tables that are written as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "±": r"$\pm$", "α": r"$\alpha$", "≥": r"$\ge$", "×": r"$\times$", "−": "$-$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A number, with its 95 % interval where there is one."""

    value: float
    interval: tuple[float, float] | None = None
    form: str = ".1f"

    def __str__(self) -> str:
        value = f"{self.value:{self.form}}"
        if self.interval is None:
            return value
        low, high = self.interval
        return f"{value} [{low:{self.form}}, {high:{self.form}}]"


Cell = str | int | Estimate | None


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header."""

    name: str
    """Of its files."""
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    """What its numbers are."""

    @property
    def columns(self) -> list[tuple[Cell, ...]]:
        """The cells of each column, none in a table without rows."""
        return list(zip(*self.rows, strict=True)) or [() for _ in self.header]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column is one of numbers, which are aligned to the right."""
        return [
            all(cell is None or isinstance(cell, int | Estimate) for cell in column)
            for column in self.columns
        ]


def shown(cell: Cell) -> str:
    """Write a cell in one line."""
    return "–" if cell is None else " ".join(str(cell).split())


def markdown(table: Table) -> str:
    """Write a table in Markdown, its columns aligned for those who read the text."""
    cells = [[shown(cell).replace("|", r"\|") for cell in row] for row in table.rows]
    rows = [list(table.header), *cells]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    right = table.numeric
    lines = [
        [
            cell.rjust(w) if r else cell.ljust(w)
            for cell, w, r in zip(row, widths, right, strict=True)
        ]
        for row in rows
    ]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], rule, *lines[1:]])
    return text + (f"\n{table.note}\n" if table.note else "")


def to_csv(table: Table) -> str:
    """Write a table as CSV: full numbers, and each interval as two columns of its own."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    wide = [any(isinstance(x, Estimate) and x.interval for x in column) for column in table.columns]
    header: list[str] = []
    for name, w in zip(table.header, wide, strict=True):
        header += [name, f"{name} low", f"{name} high"] if w else [name]
    writer.writerow(map(_value, header))
    for row in table.rows:
        line: list[str | int | float] = []
        for cell, w in zip(row, wide, strict=True):
            low, high = (isinstance(cell, Estimate) and cell.interval) or ("", "")
            line += [_value(cell), low, high] if w else [_value(cell)]
        writer.writerow(line)
    return file.getvalue()


def _value(cell: Cell) -> str | int | float:
    if isinstance(cell, Estimate):
        return cell.value
    if cell is None or isinstance(cell, int):
        return "" if cell is None else cell
    # A spreadsheet would run it.
    return f"'{cell}" if cell.startswith(("=", "+", "@", "-", "\t")) else cell


def to_latex(table: Table) -> str:
    """Write a table for LaTeX's booktabs."""
    form = "".join("r" if right else "l" for right in table.numeric)
    rows = [[_latex(shown(cell)) for cell in row] for row in table.rows]
    lines = [
        f"% {shown(table.title)}",
        *(f"% {line}" for line in table.note.splitlines() if line),
        rf"\begin{{tabular}}{{{form}}}",
        r"\toprule",
        " & ".join(_latex(name) for name in table.header) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
