"""Asks of a value from a file whether it is what it should be."""

import math
from collections.abc import Callable
from typing import Any

from ivr.errors import printable

Check = Callable[[Any], bool]


HUGE = 1e100
"""Larger numbers are no measure of anything, and sums and pictures of them overflow."""


def number(value: Any) -> bool:
    """Whether a value is a number; NaN is one, which a policy may score."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def finite(value: Any) -> bool:
    """Whether a value is a finite number that a float can hold."""
    try:
        return number(value) and math.isfinite(value)
    except OverflowError:
        return False


def measure(value: Any) -> bool:
    """Whether a value is a number that can be counted and drawn with others."""
    return finite(value) and bool(abs(value) < HUGE)


def count(value: Any) -> bool:
    """Whether a value is a whole number from 0 that 63 bits hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def duration(value: Any) -> bool:
    """Whether a value is a finite number from 0."""
    return finite(value) and bool(value >= 0)


def text(value: Any) -> bool:
    """Whether a value is a string without what steers a terminal."""
    return isinstance(value, str) and printable(value) == value


def plain(value: Any) -> bool:
    """Whether a value is made of None, booleans, finite numbers, texts, lists and mappings."""
    if isinstance(value, dict):
        return mapping_of(plain)(value)
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    return value is None or isinstance(value, bool) or text(value) or finite(value)


def list_of(check: Check, least: int = 0) -> Check:
    """Make a check for lists of at least so many values that each pass a check."""
    return lambda x: isinstance(x, list | tuple) and len(x) >= least and all(map(check, x))


def mapping_of(check: Check) -> Check:
    """Make a check for mappings from names to values that each pass a check."""
    return lambda x: (
        isinstance(x, dict) and all(text(key) and check(item) for key, item in x.items())
    )


def optional(check: Check) -> Check:
    """Make a check that None passes too."""
    return lambda x: x is None or check(x)
