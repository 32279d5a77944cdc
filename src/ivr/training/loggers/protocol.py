"""What a logger that knows members offers, and plain names for those that do not."""

import math
from typing import Any, Protocol

from torch import Tensor

Scalars = dict[str, list[float]]
"""The R values of each metric, by the metric's name."""


class MemberLogger(Protocol):
    """Receives scalars and histograms with a leading member axis."""

    def log(self, update: int, scalars: Scalars, histograms: dict[str, Tensor]) -> None:
        """Log one row for each member at an update."""

    def resume(self, update: int, evaluated: int) -> None:
        """Forget what was logged after this update: it is about to be logged again.

        So is an evaluation (metrics named evaluation/...) after the update `evaluated`: a run that
        ended during the evaluation of an update, or just after it, makes it again.
        """

    def close(self) -> None:
        """Flush and close."""


def plain(scalars: Scalars, labels: list[str]) -> dict[str, float]:
    """Name the values for whoever knows no members.

    With one member each metric has its plain name. With more, the mean over the members whose value
    is a number has the plain name, and each member's value `NAME_LABEL`.
    """
    named: dict[str, Any] = {name: _mean(values) for name, values in scalars.items()}
    if len(labels) > 1:
        for name, values in scalars.items():
            named |= {f"{name}_{label}": v for label, v in zip(labels, values, strict=True)}
    return named


def _mean(values: list[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan
