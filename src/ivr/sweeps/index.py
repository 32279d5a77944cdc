"""sweep.json: which jobs a sweep's folder has, and what each of them is."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from ivr.errors import UserError
from ivr.files import write_json
from ivr.sweeps.jobs import Job, read_job
from ivr.sweeps.names import choose_name, same_job, settings
from ivr.training.plain import list_of, mapping_of, text

FILE = "sweep.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9.+_-]{0,254}")


def enlist(folder: Path, jobs: Sequence[Sequence[str]], swept: Collection[str]) -> list[str]:
    """Name the jobs of a command, and note them in the sweep's folder.

    A job that the folder has already, in whatever order its words were given then, keeps its name.
    Two commands at once wait for each other here.

    Args:
        folder: of the sweep.
        jobs: the overrides of each.
        swept: options with several values.

    Returns:
        The name of each job's folder; two jobs of the same settings have the same name.

    Raises:
        UserError: the folder cannot be written, or its sweep.json is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".sweep.lock"):
        words, swept, names = _named(folder, jobs, swept)
        write_json(folder / FILE, {"swept": sorted(swept), "jobs": words})
    return names


def named(
    folder: Path, jobs: Sequence[Sequence[str]], swept: Collection[str]
) -> dict[str, Sequence[str]]:
    """The jobs of a command by the names that `enlist` would give them; nothing is written."""
    return dict(zip(_named(folder, jobs, swept)[2], jobs, strict=True))


def _named(
    folder: Path, jobs: Sequence[Sequence[str]], swept: Collection[str]
) -> tuple[dict[str, list[str]], set[str], list[str]]:
    """The overrides of all jobs, all options that are swept over, and the names of these jobs."""
    words, earlier = read_words(folder) if (folder / FILE).exists() else ({}, [])
    every = {*swept, *earlier}
    known = {name: settings(of, every) for name, of in words.items()}
    names = []
    for job in jobs:
        own = settings(job, every)
        same = (name for name, other in known.items() if same_job(own, other, every))
        name = next(same, None) or choose_name(own, every, known)
        known[name], words[name] = own, list(job)
        names.append(name)
    return words, every, names


def read_index(folder: Path) -> dict[str, list[str]]:
    """The overrides of each job, by its name, in the order in which they were given.

    Raises:
        UserError: the folder holds no sweep, or a damaged one.
    """
    return read_words(folder)[0]


def read_words(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """What `read_index` returns, and the options that are swept over."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(
            f"{folder} holds no sweep ({FILE} is missing): give the folder of one, as in "
            "outputs/sweeps/night"
        )
    try:
        content: Any = json.loads(path.read_bytes()[: 64 << 20])
        jobs, swept = content["jobs"], content["swept"]
        if not mapping_of(list_of(text))(jobs) or not all(map(_NAME.fullmatch, jobs)):
            raise ValueError("jobs must be a mapping from names of folders to overrides")
        if not list_of(text)(swept):
            raise ValueError("swept must be a list of options")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged: {error}. Remove it: the same command writes it anew, and finds "
            "the jobs that are done"
        ) from error
    return {name: list(words) for name, words in jobs.items()}, list(swept)


def read_swept(folder: Path) -> dict[str, Any]:
    """A job's values of the options that its sweep sweeps over; empty for a single run.

    Args:
        folder: of the job.
    """
    try:
        jobs, swept = read_words(folder.parent)
    except UserError:
        return {}
    words = settings(jobs.get(folder.name, []), swept)
    return {key: _value(words.get(key)) for key in swept}


def _value(text: str | None) -> Any:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def read_sweep(folder: Path) -> list[Job]:
    """Look at every job of a sweep.

    Raises:
        UserError: the folder holds no sweep.
    """
    return [read_job(folder / name) for name in read_index(folder)]
