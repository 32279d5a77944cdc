"""What an exported file says of its policy: plain values, checked where they are read."""

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

import torch

from ivr.agreement.names import Names
from ivr.errors import UserError
from ivr.training.members import Member
from ivr.training.plain import Check, count, finite, list_of, mapping_of, optional, plain, text

KEY = "ivr"
"""Of the metadata, a JSON text."""

INPUT, OUTPUT = "observations", "actions"
"""Names of the function's argument and result."""

_LONGEST = 16 << 20
"""Characters of the facts at most."""

_FACTS: dict[str, Check] = {
    "observations": list_of(text, least=1),
    "actions": list_of(text, least=1),
    "action_low": list_of(finite, least=1),
    "action_high": list_of(finite, least=1),
    "observation_low": optional(list_of(finite, least=1)),
    "observation_high": optional(list_of(finite, least=1)),
    "algorithm": text,
    "class": text,
    "seed": count,
    "alpha": optional(finite),
    "update": count,
    "score": mapping_of(optional(plain)),
    "dataset": mapping_of(optional(plain)),
    "environment": optional(text),
    "checked": mapping_of(plain),
    "versions": mapping_of(text),
}


def facts(content: Mapping[str, Any], k: int) -> dict[str, Any]:
    """Gather what the checkpoint knows of member k, but for what the export is checked on."""
    description = content["ivr"]
    member, known = Member(*description["members"][k]), description["dataset"]
    names = Names.of(description)
    named = [
        list(given) or [f"{kind}_{i}" for i in range(width)]
        for given, kind, width in (
            (names.observations, "observation", known["observation_dim"]),
            (names.actions, "action", len(known["action_low"])),
        )
    ]
    updates = content.get("updates")
    environment = description["config"]["dataset"].get("env")
    return {
        "observations": named[0],
        "actions": named[1],
        "action_low": list(known["action_low"]),
        "action_high": list(known["action_high"]),
        "algorithm": str(description["config"].get("algo", {}).get("name")),
        "class": str(description["class"]),
        "seed": member.seed,
        "alpha": member.alpha,
        "update": updates[k] if updates else content["updates_done"],
        "score": _score(content, k),
        "dataset": {
            key: known.get(key) for key in ("name", "source", "fingerprint", "transitions", "split")
        },
        "environment": None if environment is None else str(environment),
        "versions": {
            "ivr": importlib.metadata.version("ivr"),
            "torch": str(torch.__version__),
        },
    }


def as_text(known: Mapping[str, Any]) -> str:
    """The facts as JSON."""
    return json.dumps(known, allow_nan=False)


def from_text(written: str, where: str) -> dict[str, Any]:
    """Read facts, which may come from anywhere.

    Args:
        written: JSON.
        where: they are from, for messages.

    Raises:
        UserError: they are not what `export.py` writes.
    """
    try:
        known = json.loads(written) if len(written) <= _LONGEST else None
    except (ValueError, RecursionError):
        known = None
    known = known if isinstance(known, dict) else {}
    wrong = [key for key, check in _FACTS.items() if not check(known.get(key))]
    if not wrong and len({len(known[key]) for key in ("actions", "action_low", "action_high")}) > 1:
        wrong = ["action_low"]
    if wrong:
        raise UserError(
            f"{where} was not written by export.py, or is damaged: its facts lack {wrong[0]}, or "
            "hold something else there"
        )
    return dict(known)


def _score(content: Mapping[str, Any], k: int) -> dict[str, Any]:
    """The member's score, or what was measured on held-out episodes; empty where neither was."""
    callbacks = content.get("callbacks") or {}
    for found in (
        content.get("scores"),
        (callbacks.get("EvaluationCallback") or {}).get("last"),
        (callbacks.get("HeldOutCallback") or {}).get("last"),
    ):
        if isinstance(found, list) and k < len(found) and isinstance(found[k], dict):
            return {key: x if finite(x) else None for key, x in found[k].items() if text(key)}
    return {}
