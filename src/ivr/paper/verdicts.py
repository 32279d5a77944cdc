"""The rule that decides a claim: is the true value of a contrast where the claim says it is?

A contrast is a weighted sum of means over seeds, such as SQL's score less IQL's, averaged over
datasets. Its interval is Student's t with the degrees of freedom of Welch and Satterthwaite
(Welch, Biometrika 1947), in which every setting has a variance of its own. Of three seeds the
percentile bootstrap knows no more than three numbers, and is too narrow (docs/report.md).
docs/paper.md has how often each is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

LEVEL = 0.05
"""How often an interval may miss the truth."""
LEAST = 3
"""Seeds of a setting without which nothing is decided: two that agree by chance show no spread."""

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "not decided", "not run"


@dataclass(frozen=True)
class Sample:
    """One setting of a contrast."""

    weight: float
    scores: Floats
    """(seeds,)."""


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of means, and how sure it is."""

    value: float
    deviation: float
    """Standard error."""
    freedom: float
    """Degrees of freedom."""

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval that misses the truth with probability `level`."""
        reach = self.deviation * float(stats.t.ppf(1 - level / 2, self.freedom))
        return self.value - reach, self.value + reach


def contrast(samples: Sequence[Sample]) -> Contrast | None:
    """Estimate a contrast; None where a setting has fewer than LEAST seeds.

    Settings are taken as independent. Rows that share a start, as those of a comparison online do,
    vary less against each other than that, and their interval is too wide rather than too narrow.
    """
    if min(len(sample.scores) for sample in samples) < LEAST:
        return None
    parts = [s.weight**2 * s.scores.var(ddof=1) / len(s.scores) for s in samples]
    variance = float(sum(parts))
    freedom = float(min(len(s.scores) for s in samples) - 1)
    if variance > 0:
        shares = [part / variance for part in parts]
        terms = (x**2 / (len(s.scores) - 1) for x, s in zip(shares, samples, strict=True))
        freedom = 1 / float(sum(terms))
    value = float(sum(s.weight * s.scores.mean() for s in samples))
    return Contrast(value, variance**0.5, freedom)


def decide(
    contrasts: Sequence[Contrast | None], low: float = 0.0, high: float = float("inf")
) -> str:
    """Decide whether all of the true values lie between `low` and `high`.

    The claim holds where all 95 % intervals lie inside. It does not where one lies outside: of k
    contrasts each has then a k-th of the 5 %, so that many comparisons do not refute a claim by
    chance. Either is wrong in at most about 5 % of all cases; else nothing is decided.

    Args:
        contrasts: None for one that is not known.
        low: of the band in which the claim says that they are.
        high: likewise; infinite where the claim is that they are above `low`.

    Returns:
        HOLDS, FAILS or OPEN.
    """
    known = [one for one in contrasts if one is not None]
    narrow = [one.interval(LEVEL / len(contrasts)) for one in known]
    if any(end < low or start > high for start, end in narrow):
        return FAILS
    wide = [one.interval() for one in known]
    sure = len(known) == len(contrasts) > 0 and all(low < a and b < high for a, b in wide)
    return HOLDS if sure else OPEN
