"""Names the folders of a sweep's jobs after what differs between them."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence

_LONGEST = 100
"""Characters of a name; a file system takes 255 bytes."""

INCIDENTAL = frozenset(
    {
        "callbacks", "checkpoint_every", "compile", "device", "eval_errors", "failed",
        "hparams_search", "launcher", "log_every", "logger", "optimized_metric", "resume", "sweep",
        "trainer",
    }
)  # fmt: skip
"""Options that change how a job is run and watched, and not what it is."""


def settings(words: Sequence[str], swept: Collection[str] = ()) -> dict[str, str]:
    """What a job is, by option and in order: its overrides without the incidental ones.

    Args:
        words: overrides such as algo=sql; of two with the same name the last one counts.
        swept: options with several values, none of which is incidental.
    """
    pairs = (word.lstrip("+").partition("=") for word in words)
    found = {key: value for key, _, value in pairs}
    return {
        key: found[key]
        for key in sorted(found)
        if key in swept or key.partition(".")[0] not in INCIDENTAL
    }


def same_job(one: Mapping[str, str], other: Mapping[str, str], swept: Collection[str] = ()) -> bool:
    """Whether two settings are of one job: its length may change, unless that is swept over."""
    left_out = {"num_updates"} - set(swept)
    return {k: v for k, v in one.items() if k not in left_out} == {
        k: v for k, v in other.items() if k not in left_out
    }


def choose_name(
    of: Mapping[str, str], swept: Collection[str], taken: Mapping[str, Mapping[str, str]]
) -> str:
    """Name a job by the options that are swept over, as in algo-sql_dataset-pointmaze-umaze.

    Where another job has that name, the options in which the two differ are added; a name that is
    too long, or of characters that a file name should not have, is cut and ends in a digest.

    Args:
        of: the job's settings.
        swept: options with several values; empty for a single job, which is named by all of its.
        taken: the settings of other jobs, by their names.
    """
    keys = {key for key in of if key in swept} or set(of)
    while (name := _written({k: of[k] for k in sorted(keys)})) in taken:
        other = taken[name]
        more = {key for key in of if other.get(key) != of[key]} - keys
        if not more:
            return f"{name}-{_digest(of)}"
        keys |= more
    return name


def _written(chosen: Mapping[str, str]) -> str:
    parts = [f"{key}-{_plain(value)}" for key, value in chosen.items()]
    name = "_".join(parts) or "job"
    lossy = any(_plain(value) != _bare(value) for value in chosen.values())
    if lossy or len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 9]}-{_digest(chosen)}"
    return name.lstrip(".-") or f"job-{_digest(chosen)}"


def _bare(value: str) -> str:
    """A value without quotes, and a list [0,1] as 0+1."""
    unquoted = value[1:-1] if re.fullmatch(r"'[^']*'|\"[^\"]*\"", value) else value
    inner = re.fullmatch(r"\[([^\[\]{}]*)\]", unquoted)
    return re.sub(r", *", "+", inner[1]) if inner else unquoted


def _plain(value: str) -> str:
    """A value in characters that every file system and shell takes; of a path its last part."""
    return re.sub(r"[^A-Za-z0-9.+_-]", "", re.split(r"[/\\]", _bare(value))[-1])


def _digest(of: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(of.items())).encode()).hexdigest()[:8]
