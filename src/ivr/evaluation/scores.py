"""Defines the result of an evaluation and computes its scores."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Path = NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """Results of R members on the same E episodes; a return is undiscounted."""

    metric: str
    reference: tuple[float, float] | None
    returns: Floats  # (R, E)
    lengths: NDArray[np.int64]  # (R, E), steps
    successes: NDArray[np.bool_] | None  # (R, E); None where the environment reports none
    paths: list[list[Path]] | None  # R lists of E arrays (T + 1, 2), metres; where asked for
    seconds: float
    env_steps: int
    completed: NDArray[np.int64] | None = None  # (R, E), tasks; None where none are reported
    discounted: Floats | None = None  # (R, E), returns in recorded rewards; where asked for
    cut_off: NDArray[np.bool_] | None = None  # (R, E), whether time ended it; likewise
    seeds: tuple[int, ...] = ()  # (E,), with which the environment was reset
    starts: NDArray[np.float32] | None = None  # (R, E, O), first observations

    @property
    def return_mean(self) -> Floats:
        """Mean return of every member, (R,)."""
        return np.asarray(self.returns.mean(1))

    @property
    def return_std(self) -> Floats:
        """Sample standard deviation over episodes, (R,); 0 for a single episode."""
        return _std(self.returns)

    @property
    def return_sem(self) -> Floats:
        """Standard error of the mean return, (R,)."""
        return _sem(self.returns)

    @property
    def success_rate(self) -> Floats | None:
        """Share of episodes with a success, (R,); None where the environment reports none."""
        return None if self.successes is None else self.successes.mean(1)

    @property
    def success_intervals(self) -> list[tuple[float, float]] | None:
        """Wilson's interval of each member's success rate, R pairs; None as for `success_rate`."""
        if self.successes is None:
            return None
        episodes = self.successes.shape[1]
        return [wilson_interval(int(count), episodes) for count in self.successes.sum(1)]

    @property
    def normalized_score(self) -> Floats | None:
        """D4RL's score, (R,): 100 x success rate, or 100 (x - min) / (max - min).

        x is the return or the number of completed tasks, as the metric says. None where there is
        no [min, max] to refer to.
        """
        scores = self._episode_scores()
        return None if scores is None else scores.mean(1)

    @property
    def normalized_score_sem(self) -> Floats | None:
        """Standard error of the normalised score, (R,)."""
        scores = self._episode_scores()
        return None if scores is None else _sem(scores)

    @property
    def score(self) -> Floats:
        """Score by which the best policy is chosen, (R,): normalised where possible."""
        normalized = self.normalized_score
        return self.return_mean if normalized is None else normalized

    def _episode_scores(self) -> Floats | None:
        if self.metric == "success":
            assert self.successes is not None
            return np.asarray(100.0 * self.successes, np.float64)
        if self.reference is None:
            return None
        low, high = self.reference
        values = self.completed if self.metric == "tasks" else self.returns
        assert values is not None
        return np.asarray(100.0 * (values - low) / (high - low))


def _std(values: Floats) -> Floats:
    single = values.shape[1] == 1
    return np.zeros(len(values)) if single else np.asarray(values.std(1, ddof=1))


def _sem(values: Floats) -> Floats:
    return np.asarray(_std(values) / np.sqrt(values.shape[1]))


def wilson_interval(successes: int, episodes: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the score interval of a proportion, within [0, 1]; 0 of 50 gives 0 to 0.071.

    Wilson (1927), as in Newcombe (1998), method 3. Episodes count as independent.

    Raises:
        ValueError: for no episode, or more successes than episodes.
    """
    if not 0 <= successes <= episodes or episodes == 0:
        raise ValueError(f"{successes} successes of {episodes} episodes")
    z, p = NormalDist().inv_cdf(0.5 + confidence / 2), successes / episodes
    shrink = 1 + z**2 / episodes
    centre = (p + z**2 / (2 * episodes)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / episodes + z**2 / (4 * episodes**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)
