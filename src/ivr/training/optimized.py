"""The number that a training hands to whoever searches over its options."""

import math
from typing import Any

from ivr.errors import UserError, nearest

DEFAULT = "evaluation/score"
METRICS = {
    DEFAULT: "the normalized score, or the return where there is no reference",
    "evaluation/normalized_score": "D4RL's score",
    "evaluation/return_mean": "the mean return",
    "evaluation/success_rate": "the share of episodes with a success",
    "evaluation/bellman_error": "the squared error of the critic on the data",
}
"""What optimized_metric can be: a mean over the members at the last evaluation."""


def check_metric(name: str | None, evaluated: bool) -> None:
    """Find out before a training whether it will have the metric.

    Args:
        name: of a metric, None for none.
        evaluated: whether the training has an environment to evaluate in.

    Raises:
        UserError: there is no such metric, or no evaluation.
    """
    if name is None:
        return
    if name not in METRICS:
        raise UserError(f"optimized_metric={name} is unknown{nearest(name, METRICS)}")
    if not evaluated:
        raise UserError(
            f"optimized_metric={name}: neither the data nor dataset.env name an environment, so "
            "nothing is evaluated"
        )


def optimized(result: dict[str, Any], name: str | None) -> float | None:
    """The metric of a finished training, from the contents of its result.json.

    Args:
        result: those contents.
        name: of METRICS; None for the default where there is one.

    Returns:
        The mean over the members; None where no name was given and nothing was evaluated.

    Raises:
        UserError: the evaluation does not have the metric, or it is not finite.
    """
    last = [member["last"] for member in result["members"]]
    if name is None and None in last:
        return None
    values = [_value(score, name or DEFAULT) for score in last]
    if None in values or not all(map(math.isfinite, values)):
        if name is None:
            return None
        there = [metric for metric in METRICS if None not in [_value(s, metric) for s in last]]
        raise UserError(
            f"optimized_metric={name}: this evaluation has none, or it is not finite; it has "
            f"{', '.join(there)}"
        )
    return math.fsum(values) / len(values)


def _value(score: dict[str, Any], metric: str) -> Any:
    key = metric.removeprefix("evaluation/")
    if key != "score":
        return score[key]
    normalized = score["normalized_score"]
    return score["return_mean"] if normalized is None else normalized
