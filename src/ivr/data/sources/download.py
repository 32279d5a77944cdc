"""Asks whether there is a network, and downloads files over it whole or not at all."""

import hashlib
import json
import os
import re
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar
from urllib.error import HTTPError

from filelock import FileLock
from tqdm import tqdm

from ivr.errors import UserError
from ivr.files import write_text

_PATIENCE = 1.5
"""Seconds to wait for a first sign of a server; clients take up to a minute to give up."""

_ANSWER = 15.0
"""Seconds in which a server that was reached has to answer a request."""

_WINDOW, _LEAST = 20.0, 16 << 10
"""Seconds in which at least `_LEAST` bytes a second have to come, on average."""

_PIECE = 1 << 20

_HDF5 = b"\x89HDF\r\n\x1a\n"

_T = TypeVar("_T")


def first_host(address: str) -> tuple[str, int]:
    """Find the host and port that a client of `address` connects to: a proxy where one is set."""
    url = urllib.parse.urlsplit(address)
    if not urllib.request.proxy_bypass(url.hostname or ""):
        proxy = urllib.request.getproxies().get(url.scheme)
        url = urllib.parse.urlsplit(proxy) if proxy else url
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def reachable(host: str, port: int) -> bool:
    """Try to open a connection within a second or two."""
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=_PATIENCE).close()
            answered.set()
        except OSError:
            pass

    # In a thread: the look-up of a name has no time limit of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return answered.is_set()


def record_of(path: Path) -> Path:
    """Name the JSON file beside a downloaded one that records its url, size and SHA-256."""
    return path.with_name(f"{path.name}.json")


def recorded(path: Path) -> dict[str, Any] | None:
    """Read what was recorded of `path` when it was downloaded; None for any other file.

    Raises:
        UserError: the record is damaged.
    """
    record = record_of(path)
    if not record.is_file():
        return None
    try:
        facts: dict[str, Any] = json.loads(record.read_bytes())
        return {"bytes": int(facts["bytes"]), "sha256": str(facts["sha256"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{record} is damaged: delete it, and {path.name} with it.") from error


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, which is read whole."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path) -> None:
    """Raise a UserError where `path` is not, to the byte, the file that was fetched.

    Reads the whole file; one that was not fetched here passes unread.
    """
    facts = recorded(path)
    if facts is None:
        return
    digest = digest_of(path)
    if digest != facts["sha256"]:
        raise UserError(
            f"{path} has the SHA-256 {digest} and had {facts['sha256']} when it was fetched: it "
            f"is damaged, or another file. Delete it and {record_of(path).name}."
        )


class Expected(NamedTuple):
    """What a file must be; None where that is not on record."""

    bytes: int | None = None
    sha256: str | None = None


FAILURES = (OSError, HTTPException, ValueError)
"""What `fetch` raises where a server does not deliver; another may."""


def fetch(url: str, path: Path, progress: bool, expected: Expected) -> None:
    """Download `url`, an HDF5 file, to `path`, resuming what an earlier attempt left.

    By hand: huggingface_hub resumes downloads of its own hub only, and pooch begins again.

    Raises:
        OSError, HTTPException, ValueError: the download failed, or took too long; what came so far
            is kept for the next attempt. Or what is offered is not what is expected.
        UserError: what came is not the file that was fetched from there once before.
    """
    before = recorded(path)
    with _ask(url) as head:
        size = _size(head)
        version = f"{head.headers['ETag']} {head.headers['Last-Modified']} {size}"
    if expected.bytes not in (None, size):
        raise OSError(f"it has {size:,} bytes there, and {expected.bytes:,} on record")
    path.parent.mkdir(parents=True, exist_ok=True)
    # What an attempt left of another file, or of another version, is not continued: a file of
    # which the digest is on record is the same everywhere.
    tag = hashlib.sha256((expected.sha256 or version).encode()).hexdigest()[:8]
    part = path.with_name(f".{path.name}.{tag}.part")
    # Another process that wants the same file waits here, and then finds it.
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return
        with open(part, "ab") as file:
            _fill(url, file, size, progress)
            file.flush()
            os.fsync(file.fileno())
        with open(part, "rb") as whole:
            begins = whole.read(len(_HDF5))
            whole.seek(0)
            digest = hashlib.file_digest(whole, "sha256").hexdigest()
        if expected.sha256 not in (None, digest):
            os.unlink(part)
            raise OSError(f"what came has the SHA-256 {digest}, and on record is {expected.sha256}")
        if expected.sha256 is None and begins != _HDF5:
            os.unlink(part)
            raise OSError("what came is not an HDF5 file")
        if before is not None and before["sha256"] != digest:
            os.unlink(part)
            raise UserError(
                f"{url} now has the SHA-256 {digest}, and had {before['sha256']} when it was "
                f"fetched before: another file. To take it, delete {record_of(path)}."
            )
        facts = {"url": url, "bytes": size, "sha256": digest}
        write_text(record_of(path), json.dumps(facts, indent=1))
        os.replace(part, path)


def _ask(url: str) -> HTTPResponse:
    """Ask for the head of the file; its body, if it comes as well, is not read."""
    try:
        return _open(urllib.request.Request(url, method="HEAD"))
    except HTTPError as error:
        # A mirror's storage may have signed the address for GET alone.
        if error.code not in (403, 405, 501):
            raise
        return _open(urllib.request.Request(url))


def _open(request: urllib.request.Request) -> HTTPResponse:
    """Send a request and read the head of the answer, within `_ANSWER` seconds."""
    answer: HTTPResponse = _within(
        _ANSWER, lambda: urllib.request.urlopen(request, timeout=_ANSWER)
    )
    return answer


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


def _size(head: HTTPResponse) -> int:
    told = head.headers["Content-Length"]
    if told is None or not re.fullmatch(r"[1-9][0-9]{0,14}", told.strip()):
        raise OSError(f"the server does not report the size of the file, but {_told(told)}")
    return int(told)


def _told(header: str | None) -> str:
    return "nothing" if header is None else repr(header[:40])


def _fill(url: str, file: BinaryIO, size: int, progress: bool) -> None:
    """Append what is missing; start again where the server cannot resume.

    Raises:
        OSError: not exactly the bytes that were announced came, or they came too slowly.
    """
    if file.tell() > size:
        _empty(file)
    if file.tell() == size:
        return
    for start in dict.fromkeys((file.tell(), 0)):
        # The bytes as they are, or they are not those that were announced.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with _open(urllib.request.Request(url, headers=headers)) as answer:
            sent = answer.headers["Content-Range"]
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", (sent or "").strip())
            if answer.status != 206:
                _empty(file)
            elif not found or int(found[1]) != start or found[2] not in ("*", str(size)):
                _empty(file)
                refused = f"asked for the bytes from {start:,} of {size:,}, it sends {_told(sent)}"
                continue
            _receive(answer, file, size, url.rpartition("/")[2], progress)
            return
    raise OSError(refused)


def _empty(file: BinaryIO) -> None:
    file.truncate(0)
    file.seek(0)


def _receive(answer: HTTPResponse, file: BinaryIO, size: int, name: str, progress: bool) -> None:
    """Append the body of an answer, until the file has `size` bytes."""
    with tqdm(
        desc=f"fetching {name}",
        total=size,
        initial=file.tell(),
        unit="B",
        unit_scale=True,
        disable=not progress,
    ) as bar:
        began, came = time.monotonic(), 0
        # One byte more than is missing shows that there are more than were announced.
        while piece := answer.read1(min(_PIECE, size + 1 - file.tell())):
            file.write(piece)
            if file.tell() > size:
                _empty(file)
                raise OSError(f"more than the {size:,} bytes came that were announced")
            bar.update(len(piece))
            came += len(piece)
            passed = time.monotonic() - began
            if passed > _WINDOW:
                if came < _LEAST * passed:
                    raise TimeoutError(
                        f"it became too slow, {came:,} bytes in {passed:.0f} s; "
                        f"{file.tell():,} of {size:,} bytes are kept"
                    )
                began, came = time.monotonic(), 0
    if file.tell() != size:
        raise OSError(f"{file.tell():,} of {size:,} bytes came before the connection ended")
