"""The parts that a report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from ivr.report.output.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure that explains itself, and its name."""

    name: str
    """Of its files."""
    title: str
    figure: Figure


@dataclass(frozen=True)
class Section:
    """A question of the report, and what answers it."""

    title: str
    text: str = ""
    """What was computed, and how to read it."""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    folded: bool = field(default=False, kw_only=True)
    """Whether the page shows it on request only."""
