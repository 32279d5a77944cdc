"""Reads the result.json files below a folder: one group for the seeds of one setting."""

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.errors import UserError
from ivr.training.plain import count, finite, list_of, optional, text

log = logging.getLogger(__name__)

SETTINGS = ("dataset", "algo", "protocol", "alpha", "num_updates")
"""Members that differ in one of them are never averaged."""


_LARGEST = 64 << 20
"""Bytes of a result.json that is read; one of a thousand members has less than one million."""


def _is_score(value: Any) -> bool:
    names = ("return_mean", "normalized_score", "bellman_error")
    return isinstance(value, dict) and all(optional(finite)(value.get(name)) for name in names)


def _is_member(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and count(value.get("seed"))
        and {"alpha", "last"} <= value.keys()
        and optional(finite)(value["alpha"])
        and optional(_is_score)(value["last"])
    )


_FIELDS = {
    "evaluation": optional(lambda value: isinstance(value, dict)),
    "certificate": optional(lambda value: isinstance(value, dict) and text(value.get("status"))),
    "status": text,
    "algo": text,
    "dataset": text,
    "protocol": text,
    "num_updates": count,
    "dataset_source": text,
    "members": list_of(_is_member),
}


@dataclass
class SeedGroup:
    """Members that differ in their seed alone, at one x."""

    settings: tuple[Any, ...]
    """The values of SETTINGS."""
    x: Any
    evaluation: dict[str, Any] = field(default_factory=dict)
    """How all of them were evaluated; see `_protocol`."""
    place: Path = Path()
    """Of the first result."""
    scores: dict[int, float] = field(default_factory=dict)
    """Last score of each seed: normalised, or the return where there is no reference."""
    errors: dict[int, float] = field(default_factory=dict)
    """Last Bellman error of each seed; none of an algorithm without a critic."""
    sources: set[str] = field(default_factory=set)
    """Where their data come from."""
    replays: set[str] = field(default_factory=set)
    """Status of their certificates: does the environment repeat the data?"""


def read_results(folder: Path, x: str | None = None) -> list[SeedGroup]:
    """Read the last scores of the finished runs below `folder`, ordered by settings and x.

    Args:
        folder: of one run, or of many.
        x: the number or word of result.json that the scores are laid out over, such as
            noise.expert_fraction, options.expectile or alpha.

    Raises:
        UserError: no finished run, one that has no such x, a seed that is there twice, or seeds
            that would be averaged though they were evaluated differently.
    """
    groups: dict[str, SeedGroup] = {}
    places: dict[tuple[str, int], Path] = {}
    for path in sorted(folder.rglob("result.json")):
        result = _read(path)
        if result.get("status") != "finished":
            log.info(f"left out, as it is {result.get('status')}: {path}")
            continue
        for member in result["members"]:
            if member["last"] is None:
                log.info(f"left out, as nothing was evaluated: {path}")
                continue
            last = member["last"]
            normalised = last["normalized_score"]
            score = last["return_mean"] if normalised is None else normalised
            if member.get("diverged"):
                log.info(f"left out, as seed {member['seed']} diverged: {path}")
                continue
            if score is None:
                log.info(f"left out, as seed {member['seed']} has no finite score: {path}")
                continue
            facts = {**result, **member}
            settings = tuple(facts[name] for name in SETTINGS)
            at = _look_up(facts, x, path)
            key, seed = repr((settings, at)), member["seed"]
            group = groups.setdefault(key, SeedGroup(settings, at, _protocol(result), path))
            _check_protocol(group, _protocol(result), path)
            if (key, seed) in places:
                raise UserError(
                    f"folder={folder} has seed {seed} of the same settings twice, in "
                    f"{places[key, seed]} and {path}: give a folder that holds it once, or an x "
                    "in which the two differ"
                )
            places[key, seed] = path
            group.scores[seed] = score
            if last.get("bellman_error") is not None:
                group.errors[seed] = last["bellman_error"]
            group.sources.add(result["dataset_source"])
            group.replays.add((result.get("certificate") or {}).get("status", "not certified"))
    if not groups:
        raise UserError(f"folder={folder} holds no result.json of a finished run with a score")
    return sorted(groups.values(), key=lambda group: (repr(group.settings), _order(group.x)))


def _protocol(result: dict[str, Any]) -> dict[str, Any]:
    """How a run was evaluated; the episodes' seed and the versions of packages may differ."""
    protocol = dict(result.get("evaluation") or {})
    protocol.pop("seed", None)
    if isinstance(environment := protocol.get("environment"), str):
        protocol["environment"] = environment.partition(" (")[0]
    return protocol


def _check_protocol(group: SeedGroup, protocol: dict[str, Any], path: Path) -> None:
    """Check that the result at `path` was evaluated as the others of its group.

    What only one of them records is no difference: an earlier version may have written it.

    Raises:
        UserError: naming the first difference.
    """
    for key in sorted(group.evaluation.keys() & protocol.keys()):
        ours, theirs = group.evaluation[key], protocol[key]
        if ours != theirs:
            raise UserError(
                f"{' '.join(map(str, group.settings[:2]))} was evaluated with {key} {ours} in "
                f"{group.place} and {theirs} in {path}: scores of the two are not averaged. Give a "
                f"folder that holds one of them, or lay them out by x=evaluation.{key}"
            )


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Compute the mean over seeds and its standard error, which one seed does not have."""
    n = len(values)
    mean = sum(values) / n
    if n == 1:
        return mean, None
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)


def group_names(groups: Sequence[SeedGroup]) -> list[str]:
    """Name each group by its algorithm and the settings that are not the same in all."""
    columns = list(zip(*(group.settings for group in groups), strict=True))
    shown = [name == "algo" or len(set(c)) > 1 for name, c in zip(SETTINGS, columns, strict=True)]
    # Where each algorithm has one alpha of its own, its name says as much.
    by_algo = {
        (s[SETTINGS.index("algo")], s[SETTINGS.index("alpha")]) for s in zip(*columns, strict=True)
    }
    if len(by_algo) == len({algo for algo, _ in by_algo}):
        shown[SETTINGS.index("alpha")] = False
    return [
        " ".join(
            str(value) if name in ("algo", "dataset", "protocol") else f"{name} {value}"
            for name, value, wanted in zip(SETTINGS, group.settings, shown, strict=True)
            if wanted
        )
        for group in groups
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(result, dict):
        raise UserError(f"{path} was not written by train.py: it holds no mapping")
    for key, check in _FIELDS.items():
        if not check(result.get(key)):
            raise UserError(
                f"{path} was not written by train.py, or is damaged: it lacks {key}, or holds "
                "something else there. Remove it, or train again"
            )
    return result


def _look_up(facts: dict[str, Any], x: str | None, path: Path) -> Any:
    value: Any = facts
    for name in x.split(".") if x else ():
        if not isinstance(value, dict) or name not in value:
            raise UserError(f"x={x}: {path} has no such entry; {name} is not in it")
        value = value[name]
    if isinstance(value, dict | list) and x:
        raise UserError(f"x={x}: in {path} that is not one number or word")
    return value if x else None


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, str(value))
