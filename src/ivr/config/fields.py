"""Are the values of a configuration's node those that a class asks for?"""

import inspect
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

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
    """Whether a value from a config is of the annotated type; numbers must be finite.

    An annotation that a config cannot be held against, such as a class or none, takes everything.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, Union):
        return any(fits(value, part) for part in inner)
    if origin is Literal:
        return value in inner
    if annotation in (None, type(None)):
        return value is None
    if origin is tuple and Ellipsis not in inner:
        of_each = isinstance(value, list) and len(value) == len(inner)
        return of_each and all(map(fits, value, inner))
    if (origin or annotation) in (Sequence, list, tuple):
        return isinstance(value, list) and all(fits(x, part) for part in inner[:1] for x in value)
    if (origin or annotation) in (Mapping, dict):
        return isinstance(value, dict)
    if isinstance(value, bool):
        return annotation not in (float, int, str, Path)
    if annotation is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return annotation not in (bool, int, str, Path) or isinstance(value, annotation)


def in_words(annotation: Any) -> str:
    """What `fits` accepts, for a message."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, Union):
        return " or ".join(dict.fromkeys(map(in_words, inner)))
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is tuple and Ellipsis not in inner:
        return f"a list of {', '.join(map(in_words, inner))}"
    if (origin or annotation) in (Sequence, list, tuple):
        return f"a list, each {in_words(inner[0])}" if inner else "a list"
    if (origin or annotation) in (Mapping, dict):
        return "a mapping"
    names = {float: "a finite number", int: "a whole number", bool: "true or false"}
    return "null" if annotation in (None, type(None)) else names.get(annotation, "a word")
