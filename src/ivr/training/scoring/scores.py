"""The scores of an evaluation as plain records, and in a few words."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ivr.evaluation.rollout import Evaluation

Score = dict[str, float | int | None]


def scores(result: Evaluation) -> list[Score]:
    """Make one flat record for each member, as result.json shows it."""
    return [
        {
            "return_mean": float(result.return_mean[k]),
            "return_std": float(result.return_std[k]),
            "return_sem": float(result.return_sem[k]),
            "normalized_score": _number(result.normalized_score, k),
            "normalized_score_sem": _number(result.normalized_score_sem, k),
            "success_rate": _number(result.success_rate, k),
            **_interval(result.success_intervals, k),
            "length_mean": float(result.lengths[k].mean()),
            "episodes": result.returns.shape[1],
        }
        for k in range(len(result.returns))
    ]


def describe(score: Score) -> str:
    """Say a score in a few words, and beside it the successes that are not the score."""
    normalized, rate = score["normalized_score"], score["success_rate"]
    said = [f"return {score['return_mean']:.1f}"]
    if normalized is not None:
        said = [f"score {normalized:.1f}"]
    if rate is not None:
        low, high = score.get("success_low"), score.get("success_high")
        within = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
        said.append(f"success {rate:.2f}{within}")
        if normalized is not None and math.isclose(normalized, 100 * rate, abs_tol=1e-9):
            del said[0]
    return ", ".join(said)


def without_score(result: Evaluation, labels: Sequence[str]) -> str | None:
    """Name the first episode whose return is not finite; None where all of them are."""
    odd = np.argwhere(~np.isfinite(result.returns))
    if not len(odd):
        return None
    member, episode = (int(index) for index in odd[0])
    return (
        f"the return of episode {episode} of {labels[member]} is "
        f"{result.returns[member, episode]}: the environment gave a reward that is not finite. "
        "That mean return is null in result.json, and no policy is the best by it"
    )


def _interval(intervals: Sequence[tuple[float, float]] | None, k: int) -> Score:
    """Wilson's, with 95 % confidence."""
    low, high = (None, None) if intervals is None else intervals[k]
    return {"success_low": low, "success_high": high}


def _number(values: Any, k: int) -> float | None:
    return None if values is None else float(values[k])
