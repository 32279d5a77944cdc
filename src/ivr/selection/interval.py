"""Turns the answers of several critics into an estimate and an interval."""

from dataclasses import dataclass
from statistics import NormalDist

import torch
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
    half = t_quantile((1 + level) / 2, heads - 1) * ((1 + 1 / heads) * spread**2 + between).sqrt()
    low, high = limits or (-torch.inf, torch.inf)
    return Interval(
        estimate, (estimate - half).clamp(low, high), (estimate + half).clamp(low, high), spread
    )


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t; Abramowitz & Stegun (1964), 26.7.5, to 1 % from 3 degrees on.

    With one head, and no degree, it is infinite; 1 and 2 degrees have closed forms.
    """
    if degrees < 1:
        return float("inf")
    if degrees == 1:
        return float(torch.tan(torch.tensor(torch.pi * (probability - 0.5), dtype=torch.float64)))
    if degrees == 2:
        return float((2 * probability - 1) / (2 * probability * (1 - probability)) ** 0.5)
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(sum(term / degrees**power for power, term in enumerate(terms)))
