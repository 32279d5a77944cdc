"""Reads what rank.py thinks of the policies, where a rank.json is given or lies below the runs."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from ivr.errors import UserError
from ivr.report.gathering.groups import Run
from ivr.training.plain import count, finite, optional, text

_LARGEST = 64 << 20


def read_ranks(path: Path) -> list[dict[str, Any]]:
    """Read the policies of a rank.json.

    Raises:
        UserError: it is not one.
    """
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise ValueError("it is no file, or too large")
        policies = json.loads(path.read_text(encoding="utf-8"))["policies"]
        if not isinstance(policies, list) or not all(map(_is_policy, policies)):
            raise ValueError("its policies are not as rank.py writes them")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"rank={path} cannot be read: {error}") from error
    return policies


def _is_policy(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(optional(text)(value.get(name)) for name in ("algo", "checkpoint"))
        and all(optional(count)(value.get(name)) for name in ("seed", "update"))
        and optional(finite)(value.get("alpha"))
    )


def places(policies: Sequence[dict[str, Any]], runs: Sequence[Run]) -> list[int] | None:
    """Find where rank.py puts the last policy of each run, 0 the first: its highest lower bound.

    A policy is that of a run with its algorithm, seed, alpha, number of updates and the name of
    its folder: the folders may have been moved since.

    Returns:
        one place for each run, in their order; None where one of them is not found.
    """
    known: dict[tuple[Any, ...], int] = {}
    for place, policy in enumerate(policies):
        folder = PurePath(policy.get("checkpoint") or "").parent.parent.name
        facts = tuple(policy.get(name) for name in ("algo", "seed", "alpha", "update"))
        known.setdefault((*facts, folder), place)
    found = [
        known.get(
            (run.result["algo"], run.seed, run.member["alpha"], run.updates, run.place.parent.name)
        )
        for run in runs
    ]
    kept = [place for place in found if place is not None]
    return kept if len(kept) == len(runs) else None
