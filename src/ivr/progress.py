"""Whether progress bars are shown."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "TQDM_DISABLE"
"""tqdm's own, which it reads but once, when it is imported."""


def shown() -> bool:
    """Whether anyone is to see progress bars: not where TQDM_DISABLE is 1."""
    return os.environ.get(_VARIABLE) != "1"


@contextmanager
def hidden(hide: bool = True) -> Iterator[None]:
    """Show no progress bars meanwhile, in this process and in those that it starts."""
    before = os.environ.get(_VARIABLE)
    if hide:
        os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
