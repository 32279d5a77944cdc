"""Episodes that were played while a run trained, and what they say of its safety."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW = 10
"""Episodes over which returns are averaged, where a dip is looked for."""


class Episode(NamedTuple):
    """One finished episode of one member."""

    steps: int
    """Steps of the member up to its end."""
    length: int
    total: float
    """Its return, undiscounted, in units of the environment's rewards."""
    discounted: float
    """Its return as it is trained on: transformed and discounted."""
    predicted: float
    """Q of its first state and action, when they were chosen; NaN without a critic."""
    fell: bool
    """Whether it terminated without success."""


@dataclass(frozen=True)
class Baseline:
    """The returns of the offline policy in the episodes before the first online update."""

    mean: float
    sem: float
    """Standard error of the mean."""
    decile: float
    """A tenth of the episodes lie below it."""
    episodes: int


def as_csv(labels: Sequence[str], episodes: Sequence[list[Episode]]) -> str:
    """Write the episodes of each member as rows of CSV."""
    lines = ["member,episode,env_steps,length,return,discounted_return,predicted_return,fell"]
    for label, found in zip(labels, episodes, strict=True):
        for number, e in enumerate(found):
            numbers = f"{e.total:.9g},{e.discounted:.9g},{e.predicted:.9g}"
            lines.append(f"{label},{number},{e.steps},{e.length},{numbers},{int(e.fell)}")
    return "\n".join(lines) + "\n"


def returns(episodes: list[Episode]) -> NDArray[np.float64]:
    """The undiscounted returns, (E,)."""
    return np.array([episode.total for episode in episodes], np.float64)


def baseline(episodes: list[Episode], warmup_steps: int) -> Baseline | None:
    """What the offline policy got; None where it finished fewer than two episodes."""
    found = returns([episode for episode in episodes if episode.steps <= warmup_steps])
    if len(found) < 2:
        return None
    sem = found.std(ddof=1) / len(found) ** 0.5
    return Baseline(float(found.mean()), float(sem), float(np.quantile(found, 0.1)), len(found))


def window_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of every WINDOW consecutive values, (E - WINDOW + 1,)."""
    if len(values) < WINDOW:
        return np.zeros(0)
    sums = np.concatenate([[0.0], values.cumsum()])
    means: NDArray[np.float64] = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    return means


def safety(episodes: list[Episode], warmup_steps: int, spread: float, steps: int) -> dict[str, Any]:
    """Measure what training online has cost, on training episodes alone.

    Args:
        episodes: of one member, in order.
        warmup_steps: steps of the offline policy at the beginning, J_0's.
        spread: range of returns, by which differences are divided.
        steps: environment steps of the member in all.

    Returns:
        Plain values by name; those that need J_0 are None where there is none.
    """
    start = baseline(episodes, warmup_steps)
    later = [episode for episode in episodes if episode.steps > warmup_steps]
    online = steps - warmup_steps
    measured: dict[str, Any] = {
        "env_steps": steps,
        "spread": spread,
        "episodes": len(episodes),
        "baseline_return": start and start.mean,
        "baseline_sem": start and start.sem,
        "baseline_episodes": start and start.episodes,
        "regret": None,
        "worst_dip": None,
        "share_below_decile": None,
        "falls_per_1000_steps": None,
        "steps_to_pass": None,
    }
    if online > 0:
        measured["falls_per_1000_steps"] = 1000 * sum(e.fell for e in later) / online
    if start is None or not later:
        return measured
    found = returns(later)
    measured["regret"] = float(np.maximum(0, start.mean - found).mean() / spread)
    measured["share_below_decile"] = float((found < start.decile).mean())
    means = window_means(found)
    if len(means):
        measured["worst_dip"] = float(max(0.0, start.mean - means.min()) / spread)
        below = np.flatnonzero(means < start.mean)
        passed = int(below[-1]) + 1 if len(below) else 0
        if passed < len(means):
            measured["steps_to_pass"] = later[passed + WINDOW - 1].steps
    return measured
