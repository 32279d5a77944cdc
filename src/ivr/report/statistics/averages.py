"""Averages learning curves over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivr.report.gathering.curves import Series
from ivr.report.statistics.intervals import Floats, bootstrap, mean_of_strata


@dataclass(frozen=True)
class Curve:
    """A mean over seeds at each update, with its interval."""

    updates: list[int]
    mean: Floats
    interval: tuple[Floats, Floats] | None
    seeds: int


def average(series: Sequence[Series]) -> Curve | None:
    """Average series over seeds at the updates that all of them have; None for less than two."""
    common = sorted(set.intersection(*map(set, series))) if series else []
    if len(common) < 2:
        return None
    values = np.array([[one[update] for update in common] for one in series])
    interval = bootstrap([values], mean_of_strata)
    return Curve(common, values.mean(0), interval, len(series))
