"""Starts a program. What it imports takes a while, and Ctrl-C ends it then as well.

Only the standard library is imported here.
"""

import os
import sys


def main(command: str) -> None:
    """Run the module of `ivr.commands` that has the name of its root script.

    Raises:
        SystemExit: as `command_line.main` does; with status 130 after Ctrl-C.
    """
    try:
        from ivr.config.command_line import main as start

        start(command)
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        try:
            print(flush=True)
        except BrokenPipeError:  # whoever read it has seen enough, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        raise
