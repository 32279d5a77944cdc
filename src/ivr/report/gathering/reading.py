"""Reads one result.json; whatever it holds, nothing of it runs or names a path."""

import json
from pathlib import Path
from typing import Any

from ivr.errors import UserError
from ivr.training.plain import count, finite, list_of, mapping_of, measure, optional, plain, text

_MOST_EPISODES = 10**6
"""Of an evaluation; more would not fit into the memory when they are drawn."""
_LARGEST = 64 << 20
"""Bytes of a result.json that is read; one of a thousand members has less than one million."""


def _is_score(value: Any) -> bool:
    names = (
        "return_mean",
        "normalized_score",
        "bellman_error",
        "success_rate",
        "value_start",
        "discounted_return",
    )
    return (
        plain(value)
        and isinstance(value, dict)
        and "normalized_score" in value
        and all(optional(measure)(value.get(name)) for name in names)
        and optional(lambda x: count(x) and x < _MOST_EPISODES)(value.get("episodes"))
    )


def _has_episodes(value: Any) -> bool:
    """Whether it has lists of the last evaluation's episodes, all of one length, or says none."""
    if not isinstance(value, dict):
        return False
    lists = value.get("last")
    each = list_of(lambda x: x is None or isinstance(x, bool) or finite(x))
    return lists is None or (
        isinstance(lists, dict)
        and all(text(name) and each(column) for name, column in lists.items())
        and len(set(map(len, lists.values()))) < 2
    )


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and plain(value)


def _is_member(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and count(value.get("seed"))
        and {"alpha", "last"} <= value.keys()
        and optional(finite)(value["alpha"])
        and optional(_is_score)(value["last"])
        and optional(_is_score)(value.get("best"))
        and optional(plain)(value.get("stopped"))
        and optional(_is_mapping)(value.get("online"))
        and optional(_has_episodes)(value.get("episodes"))
    )


def _is_task(value: Any) -> bool:
    return (
        plain(value)
        and isinstance(value, dict)
        and optional(text)(value.get("metric"))
        and optional(list_of(finite, 2))(value.get("reference"))
    )


_FIELDS = {
    "status": text,
    "algo": text,
    "dataset": text,
    "protocol": text,
    "num_updates": count,
    "updates_done": optional(count),
    "dataset_source": text,
    "members": list_of(_is_member),
    "evaluation": optional(_is_task),
    "certificate": optional(lambda value: isinstance(value, dict) and text(value.get("status"))),
    **dict.fromkeys(
        ("options", "noise", "subset", "normalize", "online", "split", "halving"),
        optional(_is_mapping),
    ),
    **dict.fromkeys(
        ("git_commit", "dataset_fingerprint", "device", "precision", "reward", "written"),
        optional(text),
    ),
    **dict.fromkeys(
        (
            "discount",
            "batch_size",
            "reward_scale",
            "reward_shift",
            "updates_per_second",
        ),
        optional(finite),
    ),
    "wall_seconds": optional(measure),
    "versions": optional(mapping_of(text)),
    "overrides": optional(list_of(text)),
}


def read_result(path: Path) -> dict[str, Any]:
    """Read and check a result.json.

    Raises:
        UserError: it cannot be read, or is not what train.py writes.
    """
    try:
        if not path.is_file():
            raise ValueError("it is not a file")
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
        result = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(result, dict):
            raise UserError(f"{path} was not written by train.py: it holds no mapping")
        wrong = [key for key, check in _FIELDS.items() if not check(result.get(key))]
    except (OSError, ValueError, RecursionError, OverflowError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if wrong:
        raise UserError(
            f"{path} was not written by train.py, or is damaged: it lacks {wrong[0]}, or holds "
            "something else there. Remove it, or train again"
        )
    return result
