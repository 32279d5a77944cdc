"""Downloads files, whole or not at all."""

import hashlib
import json
import os
import re
import time
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filelock import FileLock
from tqdm import tqdm

from ivr.data.sources.downloads.record import record_of, recorded
from ivr.data.sources.downloads.request import announced_size, ask, ask_head, in_words
from ivr.errors import UserError
from ivr.files import write_text

_WINDOW, _LEAST = 20.0, 16 << 10
"""Seconds in which at least `_LEAST` bytes a second have to come, on average."""

_PIECE = 1 << 20

_HDF5 = b"\x89HDF\r\n\x1a\n"


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
    with ask_head(url) as head:
        size = announced_size(head)
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
        with ask(urllib.request.Request(url, headers=headers)) as answer:
            sent = answer.headers["Content-Range"]
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", (sent or "").strip())
            if answer.status != 206:
                _empty(file)
            elif not found or int(found[1]) != start or found[2] not in ("*", str(size)):
                _empty(file)
                refused = (
                    f"asked for the bytes from {start:,} of {size:,}, it sends {in_words(sent)}"
                )
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
