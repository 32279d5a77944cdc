"""How often do the intervals of report.py hold the truth?

    python benchmarks/intervals.py        # two or three minutes

Draws experiments whose truth is known: scores of so many seeds on so many datasets, normal ones
and those of runs that either learn a task (100) or do not (0), as a maze makes them. Prints the
share of 1,000 experiments in which the 95 % interval of the mean, and of the interquartile mean,
holds what infinitely many seeds would give.
"""

import numpy as np

from ivr.report.statistics.intervals import bootstrap, iqm, iqm_of_strata, mean_of_strata

EXPERIMENTS, RESAMPLES = 1000, 500


def experiment(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(50, 15, shape) if kind == "normal" else 100.0 * (rng.random(shape) < 0.7)


def coverage(kind: str, datasets: int, seeds: int) -> list[float]:
    """Share of intervals that hold the truth: of the mean, and of the interquartile mean."""
    rng = np.random.default_rng(0)
    many = experiment(rng, kind, (1_000_000,))
    held = [0, 0]
    for _ in range(EXPERIMENTS):
        scores = list(experiment(rng, kind, (datasets, seeds)))
        for i, (statistic, truth) in enumerate(
            ((mean_of_strata, many.mean()), (iqm_of_strata, iqm(many)))
        ):
            low, high = bootstrap(scores, statistic, RESAMPLES)
            held[i] += low <= truth <= high
    return [count / EXPERIMENTS for count in held]


if __name__ == "__main__":
    print("| scores | datasets | seeds | mean | IQM |\n| --- | --- | --- | --- | --- |")
    for kind in ("normal", "0 or 100"):
        for datasets in (1, 9):
            for seeds in (3, 5, 10):
                mean, middle = coverage(kind, datasets, seeds)
                print(f"| {kind} | {datasets} | {seeds} | {mean:.0%} | {middle:.0%} |", flush=True)
