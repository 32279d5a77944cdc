"""Checks what a checkpoint says of callbacks: named fields of plain types, and nothing else."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ivr.errors import UserError
from ivr.training.plain import count, list_of, number, text


def checked_evaluation(state: Any, members: int) -> dict[str, Any]:
    """Return the fields of an evaluation callback's state.

    Raises:
        UserError: where one is missing or of another type.
    """
    checks = {
        "evaluated_at": count,
        "failures": lambda x: isinstance(x, list) and all(map(_failure, x)),
        "metrics": lambda x: _mapping(x, _each(number, members)),
        "last_episodes": _each(_episodes, members),
        "best_episodes": _each(_episodes, members),
        **_scores(members),
    }
    # Earlier checkpoints hold neither the metrics, nor the evaluations that failed, nor episodes.
    earlier: dict[Any, Any] = {
        "metrics": {},
        "failures": [],
        "last_episodes": [],
        "best_episodes": [],
    }
    found = {**earlier, **mapping(state)}
    return checked("EvaluationCallback", found, checks)


def checked_held_out(state: Any, members: int) -> dict[str, Any]:
    """Return the fields of the state of a callback that measures on what was held out.

    Raises:
        UserError: where one is missing or of another type.
    """
    checks = {"measured_at": count, "ranking": _each(number, members), **_scores(members)}
    return checked("HeldOutCallback", state, checks)


def evaluated_at(callbacks: Any, update: int) -> int:
    """The update of the latest evaluation that a checkpoint knows; its own where none was made.

    Args:
        callbacks: the checkpoint's states of callbacks, unchecked.
        update: of the checkpoint.
    """
    found = mapping(mapping(callbacks).get("EvaluationCallback", {})).get("evaluated_at", update)
    return int(found) if count(found) else update


def checked_divergence(state: Any, members: int) -> list[dict[str, Any] | None]:
    """Return which members are frozen, and why.

    Raises:
        UserError: where that is missing or of another type.
    """

    def frozen(value: Any) -> bool:
        return value is None or (
            isinstance(value, dict)
            and value.keys() == {"update", "term", "advice"}
            and count(value["update"])
            and text(value["term"])
            and text(value["advice"])
        )

    checks = {"diverged": lambda x: list_of(frozen)(x) and len(x) == members}
    found: list[dict[str, Any] | None] = checked("DivergenceGuard", state, checks)["diverged"]
    return found


def checked(name: str, state: Any, checks: dict[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """Return the fields that have a check, and no others.

    Raises:
        UserError: where one is missing or its check fails.
    """
    found = mapping(state)
    for key, check in checks.items():
        if key not in found or not check(found[key]):
            raise UserError(
                f"the checkpoint is damaged: {name} lacks {key} or holds another type there. "
                "Resume from another one, or train again"
            )
    return {key: found[key] for key in checks}


def mapping(value: Any) -> dict[Any, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _each(item: Callable[[Any], bool], members: int) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, list) and len(x) in (0, members) and all(map(item, x))


def _scores(members: int) -> dict[str, Callable[[Any], bool]]:
    """Checks of the records of members, the last and the best, with the best's weights."""

    def record(x: Any) -> bool:
        return _mapping(x, lambda value: value is None or number(value))

    return {
        "seconds": number,
        "last": _each(record, members),
        "best": _each(record, members),
        "best_scores": _each(number, members),
        "best_weights": lambda x: _mapping(x, lambda value: isinstance(value, Tensor)),
    }


def _episodes(value: Any) -> bool:
    return _mapping(value, list_of(lambda x: isinstance(x, bool) or number(x)))


def _failure(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"update", "error"}
        and count(value["update"])
        and isinstance(value["error"], str)
    )


def _mapping(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and check(item) for key, item in value.items()
    )
