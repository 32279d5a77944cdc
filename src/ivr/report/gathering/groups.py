"""A member of a finished run, and the group of those that differ in their seed alone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.training.plain import finite, list_of

Floats = NDArray[np.float64]

SETTINGS = ("dataset", "algo", "protocol", "alpha", "num_updates")
"""Facts that every result has, and that tell groups apart."""


@dataclass(frozen=True)
class Run:
    """One member of a finished run, at the end of its training."""

    seed: int
    score: float
    """Last score: normalised, or the return where there is no reference."""
    place: Path
    """Of its result.json."""
    result: dict[str, Any]
    """The whole of that file, which was checked."""
    member: dict[str, Any]
    """Its part of the file."""

    @property
    def last(self) -> dict[str, Any]:
        """The last evaluation."""
        found: dict[str, Any] = self.member["last"]
        return found

    @property
    def error(self) -> float | None:
        """Last Bellman error; None of an algorithm without a critic."""
        return self.last.get("bellman_error")

    @property
    def updates(self) -> int:
        """How long it trained."""
        found = self.result.get("updates_done")
        return int(self.result["num_updates"] if found is None else found)

    @property
    def best(self) -> float | None:
        """The best score of the training, by which nothing here is compared."""
        best = self.member.get("best")
        return best and score_of(best)

    @property
    def normalised(self) -> bool:
        """Whether the score has a reference, so that datasets may be averaged."""
        return self.last["normalized_score"] is not None

    @property
    def successes(self) -> tuple[int, int] | None:
        """Successful episodes, and all of them; None where success is not what is scored."""
        rate, episodes = self.last.get("success_rate"), self.last.get("episodes")
        metric = (self.result.get("evaluation") or {}).get("metric")
        if metric != "success" or rate is None or not episodes or not 0 <= rate <= 1:
            return None
        return round(rate * episodes), episodes

    @property
    def episodes(self) -> Floats | None:
        """What each episode of the last evaluation scored; None where it is not known.

        Of a success rate it is known from the counts alone.
        """
        if self.successes is not None:
            good, count = self.successes
            return np.repeat([100.0, 0.0], [good, count - good])
        lists = (self.member.get("episodes") or {}).get("last") or {}
        task = self.result.get("evaluation") or {}
        found = lists.get("tasks" if task.get("metric") == "tasks" else "return")
        reference: Any = task.get("reference")
        if not found or None in found:
            return None
        values = np.array(found, np.float64)
        if not self.normalised:
            return values
        if not list_of(finite)(reference) or len(reference) != 2 or reference[0] == reference[1]:
            return None
        low, high = reference
        return np.asarray(100 * (values - low) / (high - low))

    @property
    def values(self) -> tuple[float, float] | None:
        """V at the first states, and the discounted return that came; None where not recorded."""
        value, came = self.last.get("value_start"), self.last.get("discounted_return")
        return None if value is None or came is None else (value, came)

    @property
    def written(self) -> datetime:
        """When the file was written: as it says, or as the file system does."""
        try:
            found = datetime.fromisoformat(self.result["written"])
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            return datetime.fromtimestamp(self.place.stat().st_mtime, UTC)


@dataclass
class SeedGroup:
    """Runs that differ in their seed alone, at one x."""

    settings: tuple[Any, ...]
    """The values of SETTINGS."""
    x: Any
    facts: dict[str, Any]
    """Everything else that was configured, under names such as options.expectile."""
    runs: dict[int, Run] = field(default_factory=dict)
    """By seed, in their order."""
    lost: set[int] = field(default_factory=set)
    """Seeds that have no score, as they diverged or their last score is not finite."""

    @property
    def dataset(self) -> str:
        """The name of the data."""
        return str(self.settings[0])

    @property
    def algo(self) -> str:
        """The name of the algorithm."""
        return str(self.settings[1])

    @property
    def alpha(self) -> float | None:
        """The temperature; None of an algorithm that has none."""
        found: float | None = self.settings[SETTINGS.index("alpha")]
        return found

    @property
    def scores(self) -> dict[int, float]:
        """Last score of each seed."""
        return {seed: run.score for seed, run in self.runs.items()}

    @property
    def errors(self) -> dict[int, float]:
        """Last Bellman error of each seed that has one."""
        return {seed: run.error for seed, run in self.runs.items() if run.error is not None}

    @property
    def sources(self) -> set[str]:
        """Where the data come from."""
        return {run.result["dataset_source"] for run in self.runs.values()}

    @property
    def replays(self) -> set[str]:
        """Status of the certificates: does the environment repeat the data?"""
        found = (run.result.get("certificate") or {} for run in self.runs.values())
        return {one.get("status", "not certified") for one in found}

    @property
    def results(self) -> list[dict[str, Any]]:
        """What result.json says of each run."""
        return [run.result for run in self.runs.values()]

    @property
    def normalised(self) -> bool:
        """Whether all scores have a reference."""
        return all(run.normalised for run in self.runs.values())


def score_of(record: dict[str, Any]) -> float | None:
    """The score of an evaluation: normalised, or the return where there is no reference."""
    normalised: float | None = record.get("normalized_score")
    found: float | None = record.get("return_mean")
    return found if normalised is None else normalised


def alike(value: Any) -> Any:
    """The same with floats in the place of whole numbers: an option may be typed as 1 or as 1.0."""
    if isinstance(value, dict):
        return {key: alike(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [alike(inner) for inner in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and abs(value) < 2**53 else value
