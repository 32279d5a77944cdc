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
        and optional(count)(value.get("seed"))
        and all(optional(finite)(value.get(name)) for name in ("alpha", "lower"))
    )


def estimates(policies: Sequence[dict[str, Any]], runs: Sequence[Run]) -> list[float] | None:
    """Find the lower bound of each run's last policy, by which rank.py orders them.

    A policy is that of a run with its algorithm, seed, alpha and the names of its two innermost
    folders: the folders may have been moved since.

    Returns:
        one number for each run, in their order; None where one of them is not found, or twice.
    """
    known: dict[tuple[Any, ...], list[float]] = {}
    for policy in policies:
        path = PurePath(policy.get("checkpoint") or "")
        if path.name == "last.ckpt" and policy.get("lower") is not None:
            place = path.parts[-4:-2] if len(path.parts) > 3 else path.parts[-3:-2]
            key = (policy.get("algo"), policy.get("seed"), policy.get("alpha"), place[-1:])
            known.setdefault(key, []).append(policy["lower"])
    found = []
    for run in runs:
        key = (run.result["algo"], run.seed, run.member["alpha"], (run.place.parent.name,))
        lower = known.get(key, [])
        if len(lower) != 1:
            return None
        found.append(lower[0])
    return found
