"""When a successive halving stops members, and which.

Light to import, so that bad options are refused before torch is loaded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivr.errors import UserError, nearest

AUTO = "auto"
RANKED = "rank/lower"
"""The lower bound of rank.py on what policies are worth, by the data alone."""

MEASURES = {
    "evaluation/score": "the normalized score, or the return where there is no reference",
    "evaluation/normalized_score": "D4RL's score",
    "evaluation/return_mean": "the mean return",
    "evaluation/success_rate": "the share of episodes with a success",
    "evaluation/bellman_error": "the squared error of the critic on the data",
}
"""What an evaluation measures of each member; a halving compares by it, a search optimises it."""


@dataclass(frozen=True)
class Halving:
    """When members are stopped, and which (Jamieson & Talwalkar, 2016, algorithm 1).

    The rungs are at first, factor · first, factor² · first, ... updates; at each the best
    ⌊R / factor⌋ of the R members train on, and at least one.
    """

    factor: int
    first: int
    by: str = AUTO
    """A measure, as evaluation/score; of errors and losses the lowest is the best. auto is the
    score, or, without an environment, what best.ckpt follows on held-out episodes."""
    rank: Mapping[str, Any] = field(default_factory=dict)
    """Options of the rankings at the rungs, where members are compared by one."""

    def next_rung(self, update: int, num_updates: int) -> int | None:
        """The first rung after an update and before the end; None where none is left."""
        rung = self.first
        while rung <= update:
            rung *= self.factor
        return rung if rung < num_updates else None

    def is_rung(self, update: int) -> bool:
        """Whether members are stopped at this update."""
        return self.next_rung(update - 1, update + 1) == update

    def check(self, evaluated: bool, split: bool) -> None:
        """Refuse a halving that could not compare members, before any training.

        Raises:
            UserError: the metric needs an environment, or episodes that are held out.
        """
        if self.by == RANKED:
            return
        if self.by.startswith("held_out/") and not split:
            raise UserError(f"halving.by={self.by}: nothing is held out. Give split=0.1 too")
        if not evaluated and (self.by.startswith("evaluation/") or not split):
            raise UserError(
                f"halving.by={self.by}: there is no environment to score members in. Give "
                "split=0.1, which compares them on episodes that are held out, or "
                f"halving.by={RANKED}, which estimates what they are worth"
            )

    def order(
        self,
        measures: Mapping[str, Sequence[float]],
        best: Sequence[float],
        diverged: Sequence[Any],
    ) -> list[int]:
        """The members from best to worst; of two that score the same, the better best, then first.

        Args:
            measures: the values of all members, by name; auto takes the first.
            best: their best scores so far, the higher the better; empty for none.
            diverged: something for each member that diverged, else None; those come last.

        Raises:
            UserError: there is no measure of that name.
        """
        by = next(iter(measures)) if self.by == AUTO else self.by
        if by not in measures:
            raise UserError(
                f"halving.by={by}: this run measures nothing of that name"
                f"{nearest(by, list(measures))}"
            )
        sign = -1 if by.endswith("error") or "loss/" in by else 1
        values = [sign * x if math.isfinite(x) else -math.inf for x in measures[by]]
        before = [x if math.isfinite(x) else -math.inf for x in best] or [0.0] * len(values)

        def quality(k: int) -> tuple[bool, float, float, int]:
            return diverged[k] is None, values[k], before[k], -k

        return sorted(range(len(values)), key=quality, reverse=True)

    def kept(self, order: Sequence[int]) -> list[int]:
        """Those that go on, ascending, of members in the order of `order`."""
        return sorted(order[: max(1, len(order) // self.factor)])
