"""Which member of a checkpoint scored highest, as far as the checkpoint knows."""

import math
from collections.abc import Mapping
from typing import Any

from ivr.training.plain import number


def best_member(content: Mapping[str, Any]) -> int | None:
    """The member with the highest score in a checkpoint's content; None where it knows none.

    Of a last.ckpt the scores are those of the last evaluation, of a best.ckpt each member's own
    best: of many noisy scores the highest flatters.
    """
    scores = member_scores(content)
    known = [score for score in scores if not math.isnan(score)]
    return scores.index(max(known)) if known else None


def member_scores(content: Mapping[str, Any]) -> list[float]:
    """The score of each member, its mean return where it has no normalised one.

    NaN where it has neither; nothing where none was evaluated.

    Without an environment it is the measure on held-out episodes that the run's best.ckpt follows,
    as a number of which more is better.
    """
    callbacks = _mapping(content.get("callbacks"))
    state = _mapping(callbacks.get("EvaluationCallback"))
    measured = _mapping(callbacks.get("HeldOutCallback"))
    ranking = content.get("ranking", measured.get("ranking") if not state else None)
    if isinstance(ranking, list) and len(ranking) == len(content["ivr"]["members"]):
        return [float(x) if number(x) else math.nan for x in ranking]
    found = content.get("scores", state.get("last"))
    records = found if isinstance(found, list) else []
    if len(records) != len(content["ivr"]["members"]):
        return []
    return [_score(_mapping(record)) for record in records]


def _score(record: Mapping[str, Any]) -> float:
    found: Any = record.get("normalized_score")
    found = record.get("return_mean") if found is None else found
    return float(found) if number(found) else math.nan


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
