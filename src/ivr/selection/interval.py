"""Turns the answers of several critics into an estimate and an interval."""

from dataclasses import dataclass

import torch
from scipy.stats import t as student
from torch import Tensor


@dataclass(frozen=True)
class Interval:
    """Of P policies, (P,) each, in the units of the heads."""

    estimate: Tensor
    lower: Tensor
    upper: Tensor
    disagreement: Tensor
    """Standard deviation of the heads."""


def interval(
    values: Tensor, level: float = 0.9, limits: tuple[float, float] | None = None
) -> Interval:
    """The mean of K heads over initial states, and where the truth lies with so much confidence.

    A head fitted to its own bootstrap of the episodes is a draw of the estimator (Hao et al., ICML
    2021): the truth lies from the mean of K as another draw would, K - 1 degrees of freedom, and
    the initial states are a sample too, whose bootstrap has the variance var/N. So

        mean +- t_(K-1) sqrt( (1 + 1/K) s_heads^2 + s_states^2/N )

    Args:
        values: (P, K, N) each head at N initial states.
        level: of the interval, 0.9 for its 5 % and 95 % ends.
        limits: what no value exceeds; the interval is cut to them.

    Returns:
        The interval; one head has none, and its ends are minus and plus infinity.
    """
    values = values.double()
    heads, states = values.shape[1:]
    of_heads = values.mean(2)  # (P, K)
    estimate = of_heads.mean(1)
    spread = of_heads.std(1) if heads > 1 else torch.zeros_like(estimate)
    between = values.mean(1).var(1, correction=0) / states
    quantile = float(student.ppf((1 + level) / 2, heads - 1)) if heads > 1 else torch.inf
    half = quantile * ((1 + 1 / heads) * spread**2 + between).sqrt()
    low, high = limits or (-torch.inf, torch.inf)
    return Interval(
        estimate, (estimate - half).clamp(low, high), (estimate + half).clamp(low, high), spread
    )
