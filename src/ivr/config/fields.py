"""Are the values of a configuration's node those that a class asks for?"""

import inspect
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args, get_origin

from ivr.errors import UserError, nearest


def parameter_types(make: Callable[..., Any]) -> dict[str, Any]:
    """The keywords of a class or function with their types; of a dataclass, its fields."""
    return {name: p.annotation for name, p in inspect.signature(make).parameters.items()}


def check(
    where: str,
    values: Mapping[str, Any],
    allowed: Mapping[str, Any],
    unknown: str,
    known: Iterable[str] | None = None,
) -> None:
    """Compare the keys of a node and the types of its values with those that are allowed.

    Args:
        where: the node's path, such as algo.
        values: of the node.
        allowed: types by key.
        unknown: opens the message about a key that is not allowed, as in "unknown key".
        known: the keys to propose instead; None for all that are allowed.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    for key, value in values.items():
        if key not in allowed:
            others = nearest(key, [k for k in (allowed if known is None else known) if k != key])
            raise UserError(f"{unknown} {where}.{key}{others}")
        if not fits(value, allowed[key]):
            raise UserError(f"{where}.{key}={shown(value)}: must be {in_words(allowed[key])}")


def shown(value: Any) -> str:
    """A value as a message quotes it; a text that looks like another value says that it is one."""
    if isinstance(value, str) and re.fullmatch(r"[-+.\d][-+.\deE]*|(?i:true|false|null)", value):
        return f'"{value}" (a text, because of its quotes)'
    return str(value)


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value from a config is of the annotated type; numbers must be finite."""
    if isinstance(annotation, types.UnionType):
        return any(fits(value, part) for part in get_args(annotation))
    if annotation in (None, type(None)):
        return value is None
    if get_origin(annotation) is Sequence:
        inner = get_args(annotation)[0]
        return isinstance(value, list) and all(fits(item, inner) for item in value)
    if get_origin(annotation) is Mapping:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return annotation is bool
    if annotation is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, annotation)


def in_words(annotation: Any) -> str:
    """What `fits` accepts, for a message."""
    if isinstance(annotation, types.UnionType):
        return " or ".join(dict.fromkeys(map(in_words, get_args(annotation))))
    if get_origin(annotation) is Sequence:
        return f"a list, each {in_words(get_args(annotation)[0])}"
    if get_origin(annotation) is Mapping:
        return "a mapping"
    names = {float: "a finite number", int: "a whole number", bool: "true or false"}
    return "null" if annotation in (None, type(None)) else names.get(annotation, "a word")
