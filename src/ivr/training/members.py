"""The runs of one program: every combination of the given seeds and temperatures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

LABEL = re.compile(r"seed\d+(_alpha[\d.e+-]+)?")
"""Every label of a member; some of a run may have been stopped earlier."""


@dataclass(frozen=True)
class Member:
    """One of the runs that are trained side by side; alpha is None where there is none."""

    seed: int
    alpha: float | None

    @property
    def label(self) -> str:
        """A name without = and commas, which Hydra would have to quote."""
        alpha = "" if self.alpha is None else f"_alpha{self.alpha!r}"
        return f"seed{self.seed}{alpha}"


def combinations(seeds: list[int], alphas: Sequence[float | None]) -> list[Member]:
    """All pairs, seeds fastest."""
    return [Member(seed, alpha) for alpha, seed in product(alphas, seeds)]
