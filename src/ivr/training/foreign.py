"""Turns what a checkpoint says into checked plain values: it may come from anywhere.

Nothing else reads a checkpoint's description, so nothing in one runs, names a path or sets an
attribute. The weights are checked by the module that they are loaded into.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivr.errors import UserError
from ivr.training.plain import (
    Check,
    count,
    finite,
    list_of,
    mapping_of,
    optional,
    plain,
    text,
)
from ivr.training.precisions import LIBRARIES


def tensor(value: Any) -> bool:
    """Whether a value is an ordinary tensor, and the file holds all of its entries."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_meta
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


_BOUNDS = list_of(finite, least=1)


def _member(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    seed, alpha = value
    return count(seed) and (alpha is None or (finite(alpha) and bool(alpha > 0)))


def _dotted(value: Any) -> bool:
    return (
        isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value) is not None
    )


def _dataset(value: Any) -> bool:
    """A `dataset` node: its name and id become names of folders."""
    if not mapping_of(plain)(value):
        return False
    names = [value.get(key) for key in ("name", "id")]
    return all(name is None or _is_name(name) for name in names)


def _is_name(value: Any) -> bool:
    return (
        isinstance(value, str)
        and not value.startswith("/")
        and not re.search(r"(^|/)\.\.(/|$)|[\\:]", value)
    )


def _named(value: Any, width: int) -> bool:
    """Whether a value is a name for each number, none at all, or what earlier files hold."""
    return value is None or (list_of(text)(value) and len(value) in (0, width))


_FACTS: dict[str, Check] = {
    "name": text,
    "source": text,
    "fingerprint": text,
    "transitions": count,
    "episodes": count,
    "observation_dim": count,
    "action_low": _BOUNDS,
    "action_high": _BOUNDS,
    "env_spec": optional(text),
}
"""What the description of the data must hold; the rest of it is plain."""

_DESCRIPTION: dict[str, Check] = {
    "class": _dotted,
    "arguments": mapping_of(plain),
    "config": lambda x: mapping_of(plain)(x) and _dataset(x.get("dataset")),
    "overrides": list_of(text),
    "members": list_of(_member, least=1),
    "dataset": lambda x: (
        mapping_of(plain)(x)
        and all(check(x.get(key)) for key, check in _FACTS.items())
        and _named(x.get("observation_names"), x["observation_dim"])
        and _named(x.get("action_names"), len(x["action_low"]))
        and list_of(text)(x.get("entries") or [])
    ),
}
_STOPPED: dict[str, Check] = {
    "seed": count,
    "alpha": optional(finite),
    "diverged": optional(plain),
    "last": optional(mapping_of(plain)),
    "best": optional(mapping_of(plain)),
    "stopped": lambda x: mapping_of(count)(x) and x.keys() == {"update", "place", "of", "rung"},
}
"""What is on record of a member that successive halving stopped."""

_LATER: dict[str, Check] = {
    "stopped": list_of(
        lambda x: (
            isinstance(x, dict)
            and _STOPPED.keys() <= x.keys()
            and mapping_of(plain)(x)
            and all(check(x[key]) for key, check in _STOPPED.items())
        )
    ),
    "float32_products": lambda x: x in LIBRARIES.values(),
    "certificate": optional(
        lambda x: mapping_of(plain)(x) and text(x.get("status")) and text(x.get("words"))
    ),
}
"""What earlier checkpoints do not hold."""

_CONTENT: dict[str, Check] = {
    "state_dict": mapping_of(tensor),
    "updates_done": count,
    "global_step": count,
    "epoch": count,
    "updates": list_of(count),
    "optimizer_states": list_of(lambda x: isinstance(x, dict)),
    "loops": mapping_of(lambda x: isinstance(x, dict)),
    "callbacks": mapping_of(lambda x: isinstance(x, dict)),
    "pytorch-lightning_version": lambda x: isinstance(x, str) and x[:1].isdigit(),
}
"""Of the file itself; which of them it must hold depends on what it is read for."""


def check_content(path: Path, content: dict[str, Any]) -> None:
    """Check a checkpoint's parts other than its description.

    Raises:
        UserError: naming the first that is of another type.
    """
    _check(path, "", content, {key: c for key, c in _CONTENT.items() if key in content})


def check_description(path: Path, description: dict[str, Any]) -> None:
    """Check what a checkpoint says of its run.

    Raises:
        UserError: naming the first part that is missing or not what it should be.
    """
    later = {key: check for key, check in _LATER.items() if key in description}
    _check(path, "ivr.", description, _DESCRIPTION | later)
    members = description["members"]
    seeds, alphas = ([member[i] for member in members] for i in (0, 1))
    arguments = description["arguments"]
    if len({tuple(member) for member in members}) < len(members):
        raise _damaged(path, "ivr.members", members)
    for key, known in (("seeds", seeds), ("alpha", alphas)):
        if list(arguments.get(key, known)) != known:
            raise _damaged(path, f"ivr.arguments.{key}", arguments[key])


def check_sizes(path: Path, arguments: dict[str, Any], state: dict[str, Any]) -> None:
    """Check that no layer is asked for that is wider than the weights are, before it is made.

    Raises:
        UserError: naming the argument.
    """
    widest = max((size for weights in state.values() for size in weights.shape), default=0)
    for key, value in arguments.items():
        if value is None:
            continue  # as the critics' hidden layers, where they are the policy's
        sizes = value if isinstance(value, list | tuple) else [value]
        if key.endswith(("hidden", "embedding", "context", "_dim")) and any(
            not count(size) or size > max(widest, 1) for size in sizes
        ):
            raise _damaged(path, f"ivr.arguments.{key}", value)


def _check(path: Path, where: str, found: dict[str, Any], checks: dict[str, Check]) -> None:
    for key, check in checks.items():
        if not check(found.get(key)):
            raise _damaged(path, where + key, found.get(key))


def _damaged(path: Path, key: str, value: Any) -> UserError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return UserError(
        f"{path} is damaged, or was not written by ivr: its {key} is {shown}. Use another "
        "checkpoint, or train again"
    )
