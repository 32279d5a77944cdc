"""Starts a program. What it imports takes a while, and Ctrl-C ends it then as well.

Only the standard library is imported here.
"""


def main(command: str) -> None:
    """Run the module of `ivr.commands` that has the name of its root script.

    Raises:
        SystemExit: as `command_line.main` does; with status 130 after Ctrl-C.
    """
    try:
        from ivr.config.command_line import main as start

        start(command)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
