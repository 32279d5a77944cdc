"""Writes results as train.py leaves them."""

import json
from pathlib import Path
from typing import Any


def write(path: Path, scores: dict[int, float | None], **changes: Any) -> None:
    """A result.json of seeds and their last scores; the best ones are 50 higher.

    Args:
        path: of the run's folder.
        scores: last score by seed.
        changes: entries of the file; `successes` of so many `episodes` make the scores percentages.
    """
    alpha, error = changes.pop("alpha", 1.0), changes.pop("error", 0.5)
    normalised, episodes = changes.pop("normalised", True), changes.pop("episodes", None)
    curve = changes.pop("curve", None)
    result = {
        "algo": "sql", "dataset": "maze", "protocol": "paper", "num_updates": 10,
        "dataset_source": "made", "noise": {"expert_fraction": 0.1}, "status": "finished",
    } | changes  # fmt: skip

    def record(score):
        found = {
            "normalized_score": score if normalised else None,
            "return_mean": score if normalised else 10 * score,
            "bellman_error": error,
        }
        return found | ({"success_rate": score / 100, "episodes": episodes} if episodes else {})

    result["members"] = [
        {"seed": k, "alpha": alpha, "last": record(score), "best": record((score or 0) + 50)}
        for k, score in scores.items()
    ]
    path.mkdir(parents=True, exist_ok=True)
    (path / "result.json").write_text(json.dumps(result))
    if curve is not None:
        label = "" if alpha is None else f"_alpha{alpha!r}"
        lines = [
            f"{update},seed{seed}{label},evaluation/score,{value}"
            for seed in scores
            for update, value in curve(seed).items()
        ]
        text = "\n".join(["update,member,metric,value", *lines])
        (path / "metrics.csv").write_text(f"{text}\n")
