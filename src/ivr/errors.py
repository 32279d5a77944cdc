"""Defines the error that is meant for the user."""

import difflib
import re
from collections.abc import Iterable
from unicodedata import category


class UserError(Exception):
    """Bad input: the message names the key, the value, what is allowed and what to do.

    The entry points print it alone, without a traceback, and exit with a status other than 0.
    Names in it may come from a file: what would steer a terminal is spelled out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Spell out control characters other than line breaks: ESC becomes a backslash and x1b."""
    return "".join(
        ascii(character)[1:-1]
        if category(character).startswith("C") and character not in "\n\t"
        else character
        for character in text
    )


def counted(count: int, noun: str) -> str:
    """Write a number and what it counts: 1 defect, 2,000 defects."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


_MANY = 60
"""Names that are not all listed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """End a message about an unknown name with the nearest names, or with all of them."""
    names = sorted(known)
    alike = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), alike, n=3, cutoff=0.5)
    # lr is no neighbour of algo.actor_lr by its letters, but its end.
    ends = [n for n in names if re.search(rf"(^|[._]){re.escape(name.lower())}$", n.lower())]
    near = list(dict.fromkeys([*ends[:3], *(alike[n] for n in close)]))[:3]
    if near:
        return f": did you mean {' or '.join(near)}?"
    if len(names) > _MANY:
        return f": none of {len(names)} names is near, --help lists them"
    return f": there is {', '.join(names)}"
