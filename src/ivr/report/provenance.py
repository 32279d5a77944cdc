"""Where each number comes from: command, seeds, versions, data."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from ivr import programs
from ivr.evaluation.scores import wilson_interval
from ivr.report.gathering.groups import Run
from ivr.report.gathering.results import Results
from ivr.report.output.sections import Section
from ivr.report.output.tables import Cell, Estimate, Table


def run_numbers(results: Results) -> dict[Path, int]:
    """Number the result.json files from 1, in the order of their paths."""
    places = sorted({run.place for group in results.groups for run in group.runs.values()})
    return {place: number for number, place in enumerate(places, 1)}


def data_table(results: Results) -> tuple[Table, dict[str, int]]:
    """List the data, and number their sources."""
    found: dict[str, set[tuple[str, str]]] = {}
    for run in _runs(results):
        fingerprint = str(run.result.get("dataset_fingerprint") or "–")
        entry = (run.result["dataset"], fingerprint)
        found.setdefault(run.result["dataset_source"], set()).add(entry)
    numbers = {source: number for number, source in enumerate(sorted(found), 1)}
    rows: list[Sequence[Cell]] = [
        (numbers[source], name, source, fingerprint)
        for source in sorted(found)
        for name, fingerprint in sorted(found[source])
    ]
    return Table("data", "Data", ["no.", "dataset", "source", "fingerprint"], rows), numbers


def provenance(folder: Path, results: Results) -> list[Section]:
    """Say of every number which data, command, seeds, commit and versions it comes from."""
    numbers = run_numbers(results)
    first = {run.place: run for run in reversed(_runs(results))}
    rows: list[Sequence[Cell]] = []
    for place, number in numbers.items():
        result = first[place].result
        seeds = sorted({member["seed"] for member in result["members"]})
        commit = str(result.get("git_commit") or "–")
        rows.append((
            number, str(place.parent.relative_to(folder)), command(result),
            ", ".join(map(str, seeds)), f"{commit[:10]}{'-dirty' * commit.endswith('-dirty')}",
            _versions(result),
        ))  # fmt: skip
    header = ["no.", "folder", "command", "seeds", "commit", "versions"]
    runs = Table("runs", "Runs", header, rows, f"Folders are below {folder}.")
    parts = [
        Section("Data", "", [data_table(results)[0]]),
        Section("Every seed", "", [seeds_table(results)], folded=True),
        Section("Every run: command, commit, versions", "", [runs], folded=True),
    ]
    if results.notes:
        left = Table("left_out", "Left out", ["what, and why"], [(n,) for n in results.notes])
        parts.append(Section(f"Left out ({len(results.notes)})", "", [left]))
    return parts


def command(result: dict[str, object]) -> str | None:
    """The command that a run was started with; None where its file does not say."""
    overrides = result.get("overrides")
    if not isinstance(overrides, list):
        return None
    program = "train" if result.get("online") is None else "finetune"
    return " ".join([programs.command(program, lasting=True), *map(shlex.quote, overrides)])


def _versions(result: dict[str, object]) -> str | None:
    found = result.get("versions")
    if not isinstance(found, dict):
        return None
    return ", ".join(f"{name} {version}" for name, version in found.items())


def seeds_table(results: Results) -> Table:
    """One row for each seed: its score, with what its episodes leave open."""
    numbers = run_numbers(results)
    rows: list[Sequence[Cell]] = []
    for group in results.groups:
        for seed, run in group.runs.items():
            interval = None
            if run.successes is not None and run.normalised:
                low, high = wilson_interval(*run.successes)
                interval = (100 * low, 100 * high)
            rows.append((
                group.dataset, group.algo, None if group.alpha is None else f"{group.alpha:g}",
                seed, Estimate(run.score, interval), run.last.get("episodes"), numbers[run.place],
            ))  # fmt: skip
    header = ["dataset", "algorithm", "alpha", "seed", "last score", "episodes", "run"]
    note = "Brackets: 95 % Wilson interval over the episodes of the last evaluation."
    return Table("seeds", "Every seed", header, rows, note)


def _runs(results: Results) -> list[Run]:
    return [run for group in results.groups for run in group.runs.values()]
