"""The scores of an evaluation as plain records, and in a few words."""

from typing import Any

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
            "episodes": result.returns.shape[1],
        }
        for k in range(len(result.returns))
    ]


def describe(score: Score) -> str:
    """Say a score in a few words."""
    if score["success_rate"] is not None:
        return f"success {score['success_rate']:.2f}"
    if score["normalized_score"] is not None:
        return f"score {score['normalized_score']:.1f}"
    return f"return {score['return_mean']:.1f}"


def _number(values: Any, k: int) -> float | None:
    return None if values is None else float(values[k])
