"""When a successive halving stops members, and which.

Light to import, so that bad options are refused before torch is loaded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ivr.errors import UserError

SCORE = "evaluation/score"


@dataclass(frozen=True)
class Halving:
    """When members are stopped, and which (Jamieson & Talwalkar, 2016, algorithm 1).

    The rungs are at first, factor · first, factor² · first, ... updates; at each the best
    ⌊R / factor⌋ of the R members train on, and at least one.
    """

    factor: int
    first: int
    by: str = SCORE
    """A metric of the evaluations; of errors and losses the lowest is the best."""

    def next_rung(self, update: int, num_updates: int) -> int | None:
        """The first rung after an update and before the end; None where none is left."""
        rung = self.first
        while rung <= update:
            rung *= self.factor
        return rung if rung < num_updates else None

    def is_rung(self, update: int) -> bool:
        """Whether members are stopped at this update."""
        return self.next_rung(update - 1, update + 1) == update

    def order(self, evaluation: dict[str, Any], diverged: Sequence[Any]) -> list[int]:
        """The members from best to worst; of two that score the same, the better best, then first.

        Args:
            evaluation: the state of the evaluation callback, at the rung.
            diverged: something for each member that diverged, else None; those come last.

        Raises:
            UserError: the evaluation has no metric of that name.
        """
        metrics = evaluation["metrics"]
        if self.by not in metrics:
            raise UserError(
                f"halving.by={self.by}: the evaluations of this run have no such metric. They have "
                f"{', '.join(metrics) or 'none'}"
            )
        sign = -1 if self.by.endswith(("error", "loss")) else 1
        values = [sign * value if math.isfinite(value) else -math.inf for value in metrics[self.by]]
        best = [x if math.isfinite(x) else -math.inf for x in evaluation["best_scores"]]

        def quality(k: int) -> tuple[bool, float, float, int]:
            return diverged[k] is None, values[k], best[k] if best else 0.0, -k

        return sorted(range(len(values)), key=quality, reverse=True)
