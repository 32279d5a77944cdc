"""Asks a server for a file, and waits seconds for the answer."""

import re
import threading
import urllib.request
from collections.abc import Callable
from http.client import HTTPResponse
from typing import TypeVar
from urllib.error import HTTPError

_ANSWER = 15.0
"""Seconds in which a server that was reached has to answer a request."""

_T = TypeVar("_T")


def ask_head(url: str) -> HTTPResponse:
    """Ask for the head of a file; its body, if it comes as well, is not read.

    Raises:
        OSError, HTTPException: there is no answer, or it is an error.
    """
    try:
        return ask(urllib.request.Request(url, method="HEAD"))
    except HTTPError as error:
        # A mirror's storage may have signed the address for GET alone.
        if error.code not in (403, 405, 501):
            raise
        return ask(urllib.request.Request(url))


def ask(request: urllib.request.Request) -> HTTPResponse:
    """Send a request and read the head of the answer, within `_ANSWER` seconds.

    Raises:
        OSError, HTTPException: there is no answer, or it is an error.
    """
    answer: HTTPResponse = _within(
        _ANSWER, lambda: urllib.request.urlopen(request, timeout=_ANSWER)
    )
    return answer


def announced_size(head: HTTPResponse) -> int:
    """Bytes of a file, as the head of an answer announces them.

    Raises:
        OSError: it announces none.
    """
    told = head.headers["Content-Length"]
    if told is None or not re.fullmatch(r"[1-9][0-9]{0,14}", told.strip()):
        raise OSError(f"the server does not report the size of the file, but {in_words(told)}")
    return int(told)


def in_words(header: str | None) -> str:
    """The beginning of a header of an answer, for a message."""
    return "nothing" if header is None else repr(header[:40])


def _within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what `call` returns.

    In a thread: neither the look-up of a name nor an answer that drips has a time limit of its own.

    Raises:
        TimeoutError: it takes longer.
        Exception: what `call` raises.
    """
    found: list[_T] = []
    raised: list[Exception] = []

    def work() -> None:
        try:
            found.append(call())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return found[0]
