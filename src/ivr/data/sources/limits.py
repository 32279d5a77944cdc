"""Refuses files that would hang or fill the memory, before they are read."""

from pathlib import Path

from ivr.errors import UserError

_RATIO = 100
"""Deflate packs zeros a thousandfold, recorded numbers hardly tenfold."""
_ALWAYS_TAKEN = 256 << 20
"""Bytes that any file may hold, however small it is."""


def check_regular(path: Path) -> None:
    """Check that `path` is a plain file: opening a pipe waits for ever, and a device has no end.

    Raises:
        UserError: it is a pipe, a socket or a device; one that does not exist passes.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(
            f"{path} is a pipe, a socket or a device. Data are read more than once: write them to "
            "a plain file and name that."
        )


def check_claim(path: Path, claimed: int) -> None:
    """Check how many bytes a file claims to hold against its size.

    Raises:
        UserError: more than any recorded numbers can be packed into it.
    """
    size = path.stat().st_size
    if claimed > max(_ALWAYS_TAKEN, _RATIO * size):
        raise UserError(
            f"{path} has {size:,} bytes and claims to hold arrays of {claimed:,}: more than "
            f"{_RATIO} times its size is not taken, so that a damaged or hostile file does not "
            "fill the memory. Fetch it anew, or write the arrays without compression."
        )
