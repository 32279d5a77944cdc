"""Reads a source to its end, whatever is wrong with it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tqdm import tqdm

from ivr.agreement.bounds import unresolved
from ivr.agreement.names import called
from ivr.data.sources.defects import BOUNDS, KINDS, UNREADABLE, Defect, Defects
from ivr.data.sources.source import Source, no_transitions
from ivr.errors import UserError, counted
from ivr.inspection.tally import Tally

MISFIT = "view, reward, maze or environment that misfit"


@dataclass
class Found:
    """The defects of one kind: how many, and the first few."""

    count: int = 0
    first: list[Defect] = field(default_factory=list)


class Findings:
    """Keeps what the checks report, the first `show` of every kind in words."""

    def __init__(self, show: int) -> None:
        self.found = {kind: Found() for kind in (*KINDS, MISFIT)}
        self.warnings: list[str] = []
        self.clipped: list[str] = []
        """Places of the first actions that are clipped."""
        self._show = show

    def report(self, defects: Defects) -> None:
        """Keep the defects that a check reports."""
        found = self.found[defects.kind]
        shown = min(defects.count, self._show - len(found.first))
        found.first += [defects.at(i) for i in range(shown)]
        found.count += defects.count

    def misfit(self, dataset: str, error: UserError) -> None:
        """Keep an error that the trainer would raise, though the data are sound."""
        self.report(Defects.one(MISFIT, Defect(dataset, str(error))))

    @property
    def total(self) -> int:
        """Defects of all kinds."""
        return sum(found.count for found in self.found.values())


@contextmanager
def noted() -> Iterator[list[str]]:
    """Collect warnings, each once, instead of showing them."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += dict.fromkeys(str(warning.message) for warning in caught)


def read_all(source: Source, tally: Tally, findings: Findings, progress: bool) -> None:
    """Show every episode to `tally`, and every defect and warning to `findings`."""

    def report(defects: Defects) -> None:
        if defects.kind != BOUNDS or not source.clips_actions:
            findings.report(defects)
        elif defects.count and not findings.clipped:  # the tally counts them
            findings.clipped.append(defects.at(0).place)

    with noted() as said:
        try:
            bar = tqdm(
                source.episodes(report),
                desc=f"inspecting {source.id}",
                total=source.total_episodes,
                unit=" episodes",
                disable=not progress,
            )
            for episode in bar:
                tally.add(episode)
        except UserError as error:  # nothing can be read from here on
            place = f"after {counted(len(tally.recorded.lengths), 'episode')}"
            defect = Defect(source.place, f"{place}: {error}")
            findings.report(Defects.one(UNREADABLE, defect))
    acted = tally.actions
    for number in unresolved(acted.least, acted.greatest, source.action_low, source.action_high):
        bounds = f"{source.action_low[number]:g} to {source.action_high[number]:g}"
        name = called(source.action_names, "action", int(number))
        what = f"{name} does not differ when scaled by its bounds, {bounds}."
        findings.report(Defects.one(BOUNDS, Defect(source.place, what)))
    if not tally.kept.lengths and findings.total == 0:
        defect = Defect(source.place, no_transitions(source, tally.left_out))
        findings.report(Defects.one(UNREADABLE, defect))
    findings.warnings += [*source.notes, *said]
