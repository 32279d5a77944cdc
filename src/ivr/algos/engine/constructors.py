"""From the `algo` node of a configuration to a constructor and its checked keywords."""

import importlib
import importlib.util
import inspect
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError, nearest

# Keywords that the top-level words and the data decide.
_NOT_OPTIONS = {
    "seeds",
    "alpha",
    "discount",
    "num_updates",
    "observation_dim",
    "action_low",
    "action_high",
    "outcome_goal",
    "input_mean",
    "input_scale",
    "best_return",
    # What a base class asks of its subclasses.
    "learning_rates",
    "cosine_decay",
}


def algorithm_class(algo: dict[str, Any]) -> type[OfflineAlgorithm]:
    """The class that `algo.class` names.

    Raises:
        UserError: where it is not an algorithm of ivr. Checkpoints name a class too, and are not
            to be trusted with importing anything else.
    """
    module, _, name = str(algo.get("class")).rpartition(".")
    try:
        known = module.startswith("ivr.algos.") and importlib.util.find_spec(module)
    except ModuleNotFoundError:
        known = None
    if known:
        found = getattr(importlib.import_module(module), name, None)
        if inspect.isclass(found) and issubclass(found, OfflineAlgorithm):
            return found
    raise UserError(f"algo.class={algo.get('class')}: no algorithm in the package ivr.algos")


def algorithm_options(algo: dict[str, Any]) -> dict[str, Any]:
    """The keywords of `algo` for its constructor.

    Raises:
        UserError: for a keyword that the constructor does not take, or of another type.
    """
    options = {key: value for key, value in algo.items() if key not in ("name", "class")}
    parameters = keywords(algorithm_class(algo))
    for key, value in options.items():
        if key not in parameters or key in _NOT_OPTIONS:
            known = [name for name in options if name in parameters]
            raise UserError(f"{algo['name']} has no option algo.{key}{nearest(key, known)}")
        annotation = parameters[key].annotation
        if not fits(value, annotation):
            raise UserError(f"algo.{key}={value}: must be {in_words(annotation)}")
    return options


def build_algorithm(algo: dict[str, Any], arguments: dict[str, Any]) -> OfflineAlgorithm:
    """The algorithm of an `algo` node with its constructor's arguments.

    Raises:
        UserError: where the constructor refuses a value.
    """
    try:
        algorithm = algorithm_class(algo)(**arguments)
        algorithm.configure_optimizers()  # refuses learning rates
    except (ValueError, RuntimeError) as error:
        raise UserError(f"algo={algo['name']} cannot be built: {error}") from error
    return algorithm


def takes(algo: dict[str, Any], keyword: str) -> bool:
    """Whether the algorithm's constructor has this keyword."""
    return keyword in keywords(algorithm_class(algo))


def keywords(cls: type[OfflineAlgorithm]) -> dict[str, inspect.Parameter]:
    """The constructor's keywords, with those that it passes on to its base class."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        parameters = inspect.signature(constructor).parameters
        kinds = {parameter.kind for parameter in parameters.values()}
        own = {k: p for k, p in parameters.items() if p.kind == p.KEYWORD_ONLY}
        found = own | found
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return found


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
        return " or ".join(map(in_words, get_args(annotation)))
    if get_origin(annotation) is Sequence:
        return f"a list, each {in_words(get_args(annotation)[0])}"
    if get_origin(annotation) is Mapping:
        return "a mapping"
    words = {float: "a finite number", int: "a whole number", bool: "true or false"}
    return "null" if annotation in (None, type(None)) else words.get(annotation, "a word")
