"""The one command of the installed package: `ivr train algo=sql`, or `python -m ivr train ...`."""

import sys

from ivr.config.entry import main as start
from ivr.config.entry import may_be_cut
from ivr.errors import nearest
from ivr.programs import PROGRAMS


def usage() -> str:
    """What `ivr --help` prints."""
    width = max(map(len, PROGRAMS))
    lines = [f"  {name.ljust(width)}  {program.summary}" for name, program in PROGRAMS.items()]
    return "\n".join(
        ["usage: ivr PROGRAM [name=value ...]", "", *lines, "", "ivr PROGRAM --help explains each."]
    )


def main() -> None:
    """Start the program that the first argument names, with the others.

    Raises:
        SystemExit: there is no such program, or the program ends so.
    """
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        with may_be_cut():
            print(usage())
        return
    if name == "--version":
        from ivr import __version__

        print(f"ivr {__version__}")
        return
    program = name.replace("-", "_")
    if program not in PROGRAMS:
        raise SystemExit(f"Error: ivr has no program {name}{nearest(name, PROGRAMS)}")
    sys.argv[1:] = arguments
    start(program)


if __name__ == "__main__":
    main()
