"""Reads the result.json files below a folder: one group for the seeds of one setting."""

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.errors import UserError

log = logging.getLogger(__name__)

SETTINGS = ("dataset", "algo", "protocol", "alpha", "num_updates")
"""Members that differ in one of them are never averaged."""


@dataclass
class SeedGroup:
    """Members that differ in their seed alone, at one x."""

    settings: tuple[Any, ...]
    """The values of SETTINGS."""
    x: Any
    scores: dict[int, float] = field(default_factory=dict)
    """Last score of each seed: normalised, or the return where there is no reference."""
    errors: dict[int, float] = field(default_factory=dict)
    """Last Bellman error of each seed; none of an algorithm without a critic."""
    sources: set[str] = field(default_factory=set)
    """Where their data come from."""


def read_results(folder: Path, x: str | None = None) -> list[SeedGroup]:
    """Read the last scores of the finished runs below `folder`, ordered by settings and x.

    Args:
        folder: of one run, or of many.
        x: the number or word of result.json that the scores are laid out over, such as
            noise.expert_fraction, options.expectile or alpha.

    Raises:
        UserError: no finished run, one that has no such x, or a seed that is there twice.
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
            if score is None:
                log.info(f"left out, as seed {member['seed']} has no finite score: {path}")
                continue
            facts = {**result, **member}
            settings = tuple(facts[name] for name in SETTINGS)
            at = _look_up(facts, x, path)
            key, seed = repr((settings, at)), member["seed"]
            if (key, seed) in places:
                raise UserError(
                    f"folder={folder} has seed {seed} of the same settings twice, in "
                    f"{places[key, seed]} and {path}: give a folder that holds it once, or an x "
                    "in which the two differ"
                )
            places[key, seed] = path
            group = groups.setdefault(key, SeedGroup(settings, at))
            group.scores[seed] = score
            if last.get("bellman_error") is not None:
                group.errors[seed] = last["bellman_error"]
            group.sources.add(result["dataset_source"])
    if not groups:
        raise UserError(f"folder={folder} holds no result.json of a finished run with a score")
    return sorted(groups.values(), key=lambda group: (repr(group.settings), _order(group.x)))


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
        result = json.loads(path.read_text())
        missing = {"status", "members", "dataset_source", "algo"} - set(result)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if missing:
        raise UserError(
            f"{path} was not written by train.py: it lacks {', '.join(sorted(missing))}"
        )
    return dict(result)


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
