"""The groups noise, subset and normalize of a configuration, and the transforms they stand for."""

from collections.abc import Callable, Mapping
from typing import Any

from ivr.config.fields import check, parameter_types
from ivr.data.transforms.mixing import Mix
from ivr.data.transforms.normalisation import Standard
from ivr.data.transforms.split import Split
from ivr.data.transforms.subsets import SUBSETS
from ivr.errors import UserError, nearest

KINDS: dict[str, Mapping[str, Callable[..., Any]]] = {
    "noise": {"mix": Mix},
    "subset": SUBSETS,
    "normalize": {"standard": Standard},
}


def split_of(config: Mapping[str, Any]) -> Split | None:
    """The split of a configuration, or of one that a checkpoint holds; None for none."""
    share = config.get("split") or 0.0
    return Split(share, config.get("split_seed") or 0) if share else None


def build_transform(group: str, node: Mapping[str, Any]) -> Any:
    """The transform of a group's node, such as {"name": "mix", ...}; None for "none".

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    options = {key: value for key, value in node.items() if key != "name"}
    kind, kinds = str(node.get("name")), KINDS[group]
    if kind != "none" and kind not in kinds:
        raise UserError(f"{group}.name={kind} is unknown{nearest(kind, [*kinds, 'none'])}")
    make = None if kind == "none" else kinds[kind]
    check(group, options, {} if make is None else parameter_types(make), f"{group}={kind} has no")
    return None if make is None else make(**options)
