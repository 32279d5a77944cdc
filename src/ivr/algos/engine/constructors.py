"""From the class that a configuration names to an algorithm with its constructor's keywords."""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.types import DataFacts, Needs

_NAMED: set[str] = set()
"""Paths of classes that this process imported because a person named them, or ivr did."""

RUN_KEYWORDS = ("seeds", "alpha", "discount", "num_updates")
"""Keywords of constructors that a run decides, for whichever algorithm has them."""


@dataclass(frozen=True)
class AlgorithmSpec:
    """An algorithm and its options, checked; what the run and the data decide comes on top."""

    name: str
    type: type[OfflineAlgorithm]
    options: Mapping[str, Any]
    group: str = "algo"
    """The option that chose it."""

    def takes(self, keyword: str) -> bool:
        """Whether the constructor has this keyword."""
        return keyword in keywords(self.type)

    @property
    def facts(self) -> frozenset[str]:
        """Names of the `DataFacts` that the constructor asks for."""
        return frozenset(_FACTS & keywords(self.type).keys())

    def needs(self, discount: float) -> Needs:
        """What it asks of the data beyond transitions."""
        return self.type.needs({**self.options, "discount": discount})

    def arguments(self, facts: DataFacts, **run: Any) -> dict[str, Any]:
        """The constructor's keywords, in plain types.

        Args:
            facts: of the data; those that the constructor has no keyword for are left out.
            run: values of RUN_KEYWORDS, likewise; None for one that the run does not decide.
        """
        given = run | {name: getattr(facts, name) for name in _FACTS}
        return {
            **{key: value for key, value in given.items() if value is not None and self.takes(key)},
            **self.options,
        }

    def build(self, arguments: Mapping[str, Any]) -> OfflineAlgorithm:
        """The algorithm, untrained.

        Raises:
            UserError: where the constructor refuses a value.
        """
        try:
            algorithm = self.type(**arguments)
            algorithm.configure_optimizers()  # refuses learning rates
            _check_run_axis(algorithm)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{self.group}={self.name} cannot be built: {error}") from error
        return algorithm


def _check_run_axis(algorithm: OfflineAlgorithm) -> None:
    for network in algorithm.trained_networks:
        for name, parameter in algorithm.get_submodule(network).named_parameters():
            if parameter.shape[:1] != (algorithm.runs,):
                raise ValueError(
                    f"{network}.{name} has shape {tuple(parameter.shape)}, and must begin with the "
                    f"axis of the {algorithm.runs} runs: build networks of ivr.nets"
                )


def algorithm_class(path: Any, trusted: bool = False) -> type[OfflineAlgorithm]:
    """The class at a dotted path.

    Args:
        path: such as ivr.algos.iql.ImplicitQLearning.
        trusted: whether a person named it, so that a module outside of ivr.algos may be imported,
            which runs its code. That a checkpoint names it is not enough.

    Raises:
        UserError: it is not an algorithm, or not one of ivr and not trusted.
    """
    module, _, name = str(path).rpartition(".")
    if not trusted and not module.startswith("ivr.algos."):
        raise UserError(f"algo.class={path}: no algorithm in the package ivr.algos")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"algo.class={path} cannot be imported: {error}; no algorithm in the package "
            "ivr.algos, nor one of an installed package or of a folder on PYTHONPATH"
        ) from error
    if inspect.isclass(found) and issubclass(found, OfflineAlgorithm):
        _NAMED.add(str(path))
        return found
    raise UserError(f"algo.class={path}: no algorithm, which is a subclass of OfflineAlgorithm")


def was_named(path: str) -> bool:
    """Whether a person has named a class in this process, which has run its module's code since."""
    return path in _NAMED and path.rpartition(".")[0] in sys.modules


def option_types(cls: type[OfflineAlgorithm]) -> dict[str, Any]:
    """The options of an algorithm with their types.

    They are the keywords of its constructor, without those that the run decides, those that the
    data decide, and those that every algorithm passes on to OfflineAlgorithm.
    """
    given = {*RUN_KEYWORDS, *_FACTS, *keywords(OfflineAlgorithm)}
    return {key: p.annotation for key, p in keywords(cls).items() if key not in given}


def keywords(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor's keywords, with those that it passes on to its base class."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        parameters = signature(constructor).parameters
        kinds = {parameter.kind for parameter in parameters.values()}
        named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        own = {k: p for k, p in list(parameters.items())[1:] if p.kind in named}
        found = own | found
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return found


def signature(make: Callable[..., Any]) -> inspect.Signature:
    """A signature whose annotations are types, as far as their names can be looked up."""
    found = inspect.signature(make)
    names = getattr(make, "__globals__", {})

    def looked_up(annotation: Any) -> Any:
        try:
            return eval(annotation, names) if isinstance(annotation, str) else annotation
        except Exception:  # such as a name that only type checkers import
            return Any

    parameters = found.parameters.values()
    return found.replace(
        parameters=[p.replace(annotation=looked_up(p.annotation)) for p in parameters]
    )


_FACTS = {field.name for field in fields(DataFacts)}
