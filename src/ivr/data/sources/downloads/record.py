"""The record beside a downloaded file, by which damage to the file is found."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ivr.errors import UserError


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

    Reads the whole file; one that was not fetched here passes unread. So does one beside a JSON
    file that is no record: somebody keeps it beside data of their own. Where a fetched file is
    looked for, its damaged record is told of.
    """
    try:
        facts = recorded(path)
    except UserError:
        return
    if facts is None:
        return
    digest = digest_of(path)
    if digest != facts["sha256"]:
        raise UserError(
            f"{path} has the SHA-256 {digest} and had {facts['sha256']} when it was fetched: it "
            f"is damaged, or another file. Delete it and {record_of(path).name}."
        )
