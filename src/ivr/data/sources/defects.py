"""Describes what makes data unfit to train on, and where it is.

One set of checks serves two readers of it: `refuse`, with which a conversion (and so the trainer)
stops at the first defect, and the inspector, which collects all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ivr.errors import UserError

UNREADABLE = "cannot be read"
SHAPE = "shapes, T + 1 observations for T actions"
FINITE = "numbers that are not finite"
BOUNDS = "actions outside their bounds"
MARKS = "marks of ends, numbers of episodes"
NEXT = "next observations of other rows"

KINDS = (UNREADABLE, SHAPE, FINITE, BOUNDS, MARKS, NEXT)


class Defect(NamedTuple):
    """A defect of the data, with its place."""

    file: str
    """The file, or the dataset's name."""
    what: str
    """What is wrong there."""
    episode: int | None = None
    step: int | None = None
    row: int | None = None
    """Of the file, where the file has rows."""
    advice: str = ""
    """What to do about all of this kind, in sentences; it may stand in `what` as well."""

    @property
    def place(self) -> str:
        """The place as text."""
        row = "" if self.row is None else f"row {self.row}"
        if self.episode is None:
            return f"{self.file}, {row}" if row else self.file
        step = "" if self.step is None else f", step {self.step}"
        return f"{self.file}, episode {self.episode}{step}{f' ({row})' if row else ''}"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}{self.advice and ' ' + self.advice}"


@dataclass(frozen=True)
class Defects:
    """`count` defects of one kind, each described on demand: a broken file has many."""

    kind: str
    count: int
    at: Callable[[int], Defect]

    @classmethod
    def one(cls, kind: str, defect: Defect) -> "Defects":
        """Wrap a single defect."""
        return cls(kind, 1, lambda _: defect)


Report = Callable[[Defects], None]
"""Receives the defects that a check finds, kind by kind."""


def refuse(defects: Defects) -> None:
    """Stop at the first defect.

    Raises:
        UserError: with its place.
    """
    if defects.count:
        raise UserError(str(defects.at(0)))


def ignore(defects: Defects) -> None:
    """Pass over the defects: a later check reports the same."""
