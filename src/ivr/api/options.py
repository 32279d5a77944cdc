"""Merges what a function of the API is given into options of the command line."""

from collections.abc import Mapping
from typing import Any


def merged(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by their names on the command line.

    Args:
        given: those that are keywords of the function; None for the command's default.
        options: the others, which win; `__` stands for the dot of a name.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    return chosen | {key.replace("__", "."): value for key, value in options.items()}
