"""Defines the error that is meant for the user."""

import difflib
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


def nearest(name: str, known: Iterable[str]) -> str:
    """End a message about an unknown name with the nearest names, or with all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f": did you mean {' or '.join(near)}?" if near else f": there is {', '.join(names)}"
