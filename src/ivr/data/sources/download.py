"""Asks whether there is a network, and downloads files over it whole or not at all."""

import hashlib
import json
import os
import socket
import threading
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock
from tqdm import tqdm

from ivr.errors import UserError
from ivr.files import write_text

_PATIENCE = 1.5
"""Seconds to wait for a first sign of a server; clients take up to a minute to give up."""

_PIECE = 1 << 20


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
        facts: dict[str, Any] = json.loads(record.read_text())
        return {"bytes": int(facts["bytes"]), "sha256": str(facts["sha256"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{record} is damaged: delete it, and {path.name} with it.") from error


def check_digest(path: Path) -> None:
    """Raise a UserError where `path` is not, to the byte, the file that was fetched.

    Reads the whole file; one that was not fetched here passes unread.
    """
    facts = recorded(path)
    if facts is None:
        return
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != facts["sha256"]:
        raise UserError(
            f"{path} has the SHA-256 {digest} and had {facts['sha256']} when it was fetched: it "
            f"is damaged, or another file. Delete it and {record_of(path).name}."
        )


def fetch(url: str, path: Path, progress: bool) -> None:
    """Download `url` to `path`, resuming what an earlier attempt left.

    By hand: huggingface_hub resumes downloads of its own hub only, and pooch begins again.

    Raises:
        OSError: the download failed; what came so far is kept for the next attempt.
        HTTPException: likewise.
        UserError: what came is not the file that was fetched from there once before.
    """
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30) as head:
        size = int(head.headers["Content-Length"] or 0)
        if size == 0:
            raise OSError("the server does not report the size of the file")
        version = f"{head.headers['ETag']} {head.headers['Last-Modified']} {size}"
    path.parent.mkdir(parents=True, exist_ok=True)
    # What an attempt left of another version of the file is not continued.
    tag = hashlib.sha256(version.encode()).hexdigest()[:8]
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
            digest = hashlib.file_digest(whole, "sha256").hexdigest()
        before = recorded(path)
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
    """Append what is missing; start again where the server cannot resume."""
    if file.tell() == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={file.tell()}-"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        if answer.status != 206:
            file.truncate(0)
            file.seek(0)
        name = url.rpartition("/")[2]
        with tqdm(
            desc=f"fetching {name}",
            total=size,
            initial=file.tell(),
            unit="B",
            unit_scale=True,
            disable=not progress,
        ) as bar:
            while piece := answer.read(_PIECE):
                file.write(piece)
                bar.update(len(piece))
    came = file.tell()
    if came > size:
        file.truncate(0)
    if came != size:
        raise OSError(f"{came:,} of {size:,} bytes came before the connection ended")
