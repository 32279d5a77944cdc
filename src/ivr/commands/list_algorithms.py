"""What every name of conf/algo stands for: its source, its needs, its temperature."""

import importlib
import inspect
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ivr.commands.list_datasets import aligned
from ivr.config.search import CONFIG_DIR, choices
from ivr.types import Needs


class Row(NamedTuple):
    """A row of the table."""

    algo: str
    temperature: str
    needs: str
    file: str
    source: str


def algorithms() -> list[Row]:
    """The row of each name, with the values that it has for MuJoCo."""
    found = []
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        for name in choices("algo"):
            node = compose("config", [f"algo={name}", "dataset=hopper-medium"]).algo
            algo: Any = OmegaConf.to_container(node, resolve=True)
            found.append(row(algo))
    return found


def row(algo: dict[str, Any]) -> Row:
    """The row of an `algo` node."""
    from ivr.config.schema import parse_algorithm  # takes seconds: torch

    algorithm = parse_algorithm(algo)
    cls = algorithm.type
    options = tuple(f"algo.{name}" for name in cls.alpha_options)
    if algorithm.takes("alpha"):
        options = ("alpha", *options)
    module = cls.__module__
    documentation = inspect.getdoc(importlib.import_module(module)) or ""
    return Row(
        algorithm.name,
        ", ".join(options) or "none",
        in_words(algorithm.needs(discount=0.99)),
        f"src/{module.replace('.', '/')}.py",
        documentation.splitlines()[0].rstrip("."),
    )


def in_words(needs: Needs) -> str:
    """What is asked of the data beyond transitions."""
    asked = {
        "next actions": needs.next_actions,
        f"the best {needs.best_fraction:.0%}": needs.best_fraction < 1,
        f"the {needs.outcome} reached": needs.outcome is not None,
        "returns to go": needs.return_discount is not None,
        f"windows of {needs.window} steps": needs.window is not None,
        f"{needs.holdout:.0%} held out": needs.holdout > 0,
    }
    return ", ".join(words for words, wanted in asked.items() if wanted) or "transitions"


def run(words: list[str]) -> None:
    """Print the table.

    Raises:
        SystemExit: for any argument.
    """
    if words:
        raise SystemExit("python list_algorithms.py lists all algorithms, and takes no options")
    print(aligned([Row._fields, *algorithms()]))
