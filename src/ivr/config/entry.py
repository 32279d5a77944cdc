"""Starts a program. What it imports takes a while, and Ctrl-C ends it then as well.

Only the standard library is imported here.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def main(command: str) -> None:
    """Run the module of `ivr.commands` that has the name of its root script.

    Raises:
        SystemExit: as `command_line.main` does; with status 130 after Ctrl-C.
    """
    with may_be_cut():
        try:
            from ivr.config.command_line import main as start

            start(command)
        except KeyboardInterrupt:
            raise SystemExit(130) from None


@contextmanager
def may_be_cut() -> Iterator[None]:
    """Let whoever reads what is printed stop reading, as in `| head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        try:
            print(flush=True)
        except BrokenPipeError:  # it was that pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        raise
