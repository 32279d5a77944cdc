"""The one kind of error that is meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: the message names the key, the value, what is allowed and what to do.

    The entry points print it alone, without a traceback, and exit with a status other than 0.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest ones, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f": did you mean {' or '.join(near)}?" if near else f": there is {', '.join(names)}"
