"""How often does each interval tell equal methods apart?

    python benchmarks/verdicts.py        # two or three minutes

Two methods of equal scores, so many seeds on so many datasets: the share of comparisons in which
the 95 % interval of the difference of their means does not hold 0, by the rule of paper.py and by
the percentile bootstrap of report.py. Scores are normal, or those of runs that learn the task (100)
with probability 0.7, or do not (0).
"""

import numpy as np

from ivr.paper.verdicts import OPEN, Sample, contrast, decide
from ivr.report.statistics.intervals import bootstrap, mean_of_strata

EXPERIMENTS, RESAMPLES = 2000, 500


def difference(*strata: np.ndarray, axis: int = -1) -> np.ndarray:
    """The mean over datasets of one method less that of another, whose strata follow."""
    half = len(strata) // 2
    first = mean_of_strata(*strata[:half], axis=axis)
    return np.asarray(first - mean_of_strata(*strata[half:], axis=axis))


def shares(kind: str, datasets: int, seeds: int) -> tuple[float, float]:
    """How often methods that are equal are told apart: by the rule, and by the bootstrap."""
    rng = np.random.default_rng(0)
    by_rule = by_bootstrap = 0
    for _ in range(EXPERIMENTS):
        shape = (2 * datasets, seeds)
        scores = list(
            rng.normal(50, 15, shape) if kind == "normal" else 100.0 * (rng.random(shape) < 0.7)
        )
        weights = [1 / datasets] * datasets + [-1 / datasets] * datasets
        samples = [Sample(w, x) for w, x in zip(weights, scores, strict=True)]
        by_rule += decide([contrast(samples)]) != OPEN
        low, high = bootstrap(scores, difference, RESAMPLES) or (0.0, 0.0)
        by_bootstrap += not low <= 0 <= high
    return by_rule / EXPERIMENTS, by_bootstrap / EXPERIMENTS


if __name__ == "__main__":
    print("| scores | datasets | seeds | the rule | bootstrap |\n| --- | --- | --- | --- | --- |")
    for kind in ("normal", "0 or 100"):
        for datasets in (1, 6):
            for seeds in (3, 5, 10):
                rule, other = shares(kind, datasets, seeds)
                print(f"| {kind} | {datasets} | {seeds} | {rule:.1%} | {other:.1%} |", flush=True)
