"""The words noise, subset and normalize of a configuration, and what they stand for."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ivr.algos.engine.constructors import fits, in_words
from ivr.data.transforms.mixing import Mix
from ivr.data.transforms.normalisation import Standard
from ivr.data.transforms.subsets import SUBSETS
from ivr.errors import UserError, nearest

KINDS: dict[str, Mapping[str, Callable[..., Any]]] = {
    "noise": {"mix": Mix},
    "subset": SUBSETS,
    "normalize": {"standard": Standard},
}


def build(group: str, node: Mapping[str, Any]) -> Any:
    """The transform of a group's node, such as {"name": "mix", ...}; None for "none".

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    options = {key: value for key, value in node.items() if key != "name"}
    kind, kinds = node.get("name"), KINDS[group]
    if kind != "none" and kind not in kinds:
        raise UserError(f"{group}.name={kind} is unknown{nearest(str(kind), [*kinds, 'none'])}")
    make = kinds.get(str(kind), dict)
    parameters = inspect.signature(make).parameters if kind != "none" else {}
    for key, value in options.items():
        if key not in parameters:
            raise UserError(f"{group}={kind} has no {group}.{key}{nearest(key, parameters)}")
        if not fits(value, parameters[key].annotation):
            wanted = in_words(parameters[key].annotation)
            raise UserError(f"{group}.{key}={value}: must be {wanted}")
    return None if kind == "none" else make(**options)
