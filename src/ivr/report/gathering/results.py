"""Gathers the results below a folder: one group for the seeds of one setting."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.errors import UserError, nearest
from ivr.files import found_below
from ivr.report.gathering.groups import SETTINGS, Run, SeedGroup, alike, score_of
from ivr.report.gathering.reading import read_result
from ivr.training.plain import plain

log = logging.getLogger(__name__)


_NESTED = ("options", "noise", "subset", "normalize", "split", "online", "evaluation", "halving")
_FLAT = (
    "discount", "batch_size", "reward", "reward_scale", "reward_shift", "precision",
    "stopped_early",
)  # fmt: skip
_NO_SETTING = {"evaluation.seed", "online.checkpoint"}


@dataclass
class Results:
    """What was found below a folder."""

    groups: list[SeedGroup]
    notes: list[str]
    """What is left out, and why: a line each."""
    measured: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    """Results without an environment, whose members were measured on held-out episodes."""


def read_results(folder: Path, x: str | None = None) -> Results:
    """Read the last scores of the finished runs below `folder`, ordered by settings and x.

    Runs that differ in anything but their seed are never in one group. Of two that differ in
    nothing the one that was written later stands. A file that is damaged is left out, with a note.

    Args:
        folder: of one run, or of many.
        x: the number or word of result.json that the scores are laid out over, such as
            noise.expert_fraction, options.expectile or alpha.

    Raises:
        UserError: no finished run with a score or measures, or one that has no such x.
    """
    groups: list[SeedGroup] = []
    notes: list[str] = []
    measured: list[tuple[Path, dict[str, Any]]] = []
    twice: dict[tuple[Path, Path], list[str]] = {}
    lost: list[Run] = []
    for path in found_below(folder, "result.json"):
        try:
            result = read_result(path)
        except UserError as error:
            notes.append(f"left out: {error}")
            continue
        if result["status"] != "finished":
            notes.append(f"left out, as it is {result['status']}: {path}")
            if result["status"] == "failed":  # as where the last of its members diverged
                diverged = (member for member in result["members"] if member.get("diverged"))
                lost += [Run(one["seed"], math.nan, path, result, one) for one in diverged]
            continue
        if any(isinstance(member.get("held_out"), dict) for member in result["members"]) and all(
            member["last"] is None for member in result["members"]
        ):
            measured.append((path, result))
            continue
        for member, lacks_score in _members(path, result, notes):
            settings = tuple({**result, **member}[name] for name in SETTINGS)
            found = {**result, **member}
            if result.get("online") and member.get("online"):  # settings, and measures
                found["online"] = {**result["online"], **member["online"]}
            facts, at = _facts(result), _look_up(found, x, path)
            if lacks_score:
                lost.append(Run(member["seed"], math.nan, path, result, member))
            else:
                group = _group_of(groups, settings, at, facts)
                score = score_of(member["last"])
                assert score is not None
                _keep_latest(group, Run(member["seed"], score, path, result, member), twice)
    for run in lost:
        settings = tuple({**run.result, **run.member}[name] for name in SETTINGS)
        for group in groups:
            if group.settings == settings and _agree(group.facts, _facts(run.result)):
                earlier = group.runs.get(run.seed)
                if earlier is None or run.written >= earlier.written:
                    group.runs.pop(run.seed, None)
                    group.lost.add(run.seed)
    groups = [group for group in groups if group.runs]
    notes += [
        f"left out, as the same settings and seed are there again ({_few(seeds)}), written later, "
        f"in {newer}: {older}"
        for (older, newer), seeds in twice.items()
    ]
    if not groups and not measured:
        problems = "".join(f"\n  {note}" for note in notes)
        raise UserError(
            f"folder={folder} holds no result.json of a finished run with a score{problems}"
        )
    for group in groups:
        group.runs = dict(sorted(group.runs.items()))
    groups.sort(key=lambda group: (repr(group.settings), _order(group.x), repr(group.facts)))
    return Results(groups, notes, measured)


def _members(
    path: Path, result: dict[str, Any], notes: list[str]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """The members of a result that no halving stopped, and whether each lacks a score."""
    none = all(member["last"] is None for member in result["members"])
    if result["members"] and none and not any(m.get("diverged") for m in result["members"]):
        notes.append(f"left out, as nothing was evaluated: {path}")
        return
    for member in result["members"]:
        seed, last = member["seed"], member["last"]
        if member.get("stopped"):
            notes.append(f"left out, as successive halving stopped seed {seed} early: {path}")
            continue
        why = None
        if member.get("diverged"):
            why = "diverged"
        elif last is None or score_of(last) is None:
            why = "has no finite score"
        if why:
            notes.append(f"left out, as seed {seed} {why}: {path}")
        yield member, why is not None


def _facts(result: dict[str, Any]) -> dict[str, Any]:
    facts = {
        f"{name}.{key}": value
        for name in _NESTED
        for key, value in (result.get(name) or {}).items()
        if f"{name}.{key}" not in _NO_SETTING
    }
    environment = facts.get("evaluation.environment")
    if isinstance(environment, str):  # the versions of its packages may differ
        facts["evaluation.environment"] = environment.partition(" (")[0]
    facts |= {name: result[name] for name in _FLAT if result.get(name) is not None}
    if result.get("dataset_fingerprint"):
        facts["data"] = result["dataset_fingerprint"]
    return facts


def _group_of(
    groups: list[SeedGroup], settings: tuple[Any, ...], x: Any, facts: dict[str, Any]
) -> SeedGroup:
    """Find the group that a run belongs to, or begin one.

    What only one of two results records is no difference: an earlier version may have written it.
    """
    for group in groups:
        same = repr(alike((group.settings, group.x))) == repr(alike((settings, x)))
        if same and _agree(group.facts, facts):
            group.facts |= facts
            return group
    groups.append(SeedGroup(settings, x, facts))
    return groups[-1]


def _agree(one: dict[str, Any], other: dict[str, Any]) -> bool:
    shared = one.keys() & other.keys()
    return all(repr(alike(one[name])) == repr(alike(other[name])) for name in shared)


def _keep_latest(group: SeedGroup, run: Run, twice: dict[tuple[Path, Path], list[str]]) -> None:
    other = group.runs.get(run.seed)
    if other is not None:
        run, older = (run, other) if run.written >= other.written else (other, run)
        alpha = "" if group.alpha is None else f" (alpha {group.alpha:g})"
        twice.setdefault((older.place, run.place), []).append(f"{run.seed}{alpha}")
    group.runs[run.seed] = run


def _few(seeds: Sequence[str]) -> str:
    return f"seed {', '.join(seeds)}" if len(seeds) < 5 else f"{len(seeds)} of them"


def _look_up(facts: dict[str, Any], x: str | None, path: Path) -> Any:
    value: Any = facts
    for name in x.split(".") if x else ():
        if not isinstance(value, dict) or name not in value:
            there = nearest(name, value) if isinstance(value, dict) else ""
            raise UserError(f"x={x}: {path} has no such entry; {name} is not in it{there}")
        value = value[name]
    if x and (isinstance(value, dict | list) or not plain(value)):
        raise UserError(f"x={x}: in {path} that is not one number or word")
    return value if x else None


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, str(value))
