"""Checks the shapes and numbers of a Minari dataset's episodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.bounds import outside, outside_in_words
from ivr.data.sources.defects import BOUNDS, FINITE, MARKS, SHAPE, Defect, Defects
from ivr.data.sources.source import MARK_RULE, Episode, not_marks, unusable, unusable_in_words


@dataclass(frozen=True)
class MinariCheck:
    """The checks of one dataset's episodes."""

    dataset: str
    boxes: dict[str, tuple[int, ...]]
    """Shape of each entry of an observation."""
    low: NDArray[np.float64]
    """Least action (A,)."""
    high: NDArray[np.float64]
    """Greatest action (A,)."""
    clip: bool = True
    """Whether actions beyond these are clipped."""

    def shapes(self, number: int, episode: Episode) -> Iterator[Defects]:
        """Find shapes other than T actions and T + 1 observations of the recorded spaces.

        And what holds something else than numbers.
        """
        entries = {f"observations ({key})": v for key, v in episode.observations.items()}
        for key, values in {**episode._asdict(), **entries}.items():
            kind = np.asarray(values).dtype
            if key != "observations" and kind.kind not in "fiub":
                yield self._defect(number, f"{key} hold {kind}; they should hold numbers.")
        steps = len(episode.actions)
        wanted: dict[str, tuple[int, ...]] = {"actions": (steps, len(self.low))}
        wanted |= {key: (steps,) for key in ("rewards", "terminations", "truncations")}
        for key, shape in wanted.items():
            values = getattr(episode, key)
            if np.shape(values) != shape:
                yield self._shape(number, steps, key, np.shape(values), shape)
        for key, values in episode.observations.items():
            shape = (steps + 1, *self.boxes[key])
            if len(values) != steps + 1:
                yield self._defect(
                    number,
                    f"{len(values)} observations ({key}) for {steps} actions; an episode of T "
                    "actions has T + 1 observations. The dataset breaks Minari's format.",
                )
            elif np.shape(values) != shape:
                yield self._shape(number, steps, f"observations ({key})", np.shape(values), shape)

    def _shape(
        self, number: int, steps: int, key: str, shape: tuple[int, ...], wanted: tuple[int, ...]
    ) -> Defects:
        return self._defect(
            number,
            f"{key} have shape {shape}, and with {steps} actions in the recorded spaces it should "
            f"be {wanted}. The dataset breaks Minari's format.",
        )

    def _defect(self, number: int, what: str) -> Defects:
        return Defects.one(SHAPE, Defect(self.dataset, what, number))

    def numbers(self, number: int, episode: Episode) -> Iterator[Defects]:
        """Find numbers that cannot be used, in an episode whose shapes are right."""
        named = {f"observation {key!r}": values for key, values in episode.observations.items()}
        named |= {"action": episode.actions, "reward": episode.rewards}
        for key, values in named.items():
            yield self._not_finite(number, key, np.asarray(values))
        for key in ("terminations", "truncations"):
            yield self._not_marks(number, key, np.asarray(getattr(episode, key)))

        yield self._beyond(number, np.asarray(episode.actions))

    def _beyond(self, number: int, actions: NDArray[Any]) -> Defects:
        beyond = outside(actions, self.low, self.high) & np.isfinite(actions).all(1)
        steps = np.flatnonzero(beyond)

        def at(i: int) -> Defect:
            what = f"{outside_in_words(actions[steps[i]], self.low, self.high)}."
            return Defect(self.dataset, what, number, int(steps[i]), advice=advice)

        advice = "Training clips such actions." if self.clip else (
            "Mend the data, or give dataset.actions=clip to have such actions clipped, or wider "
            "bounds: dataset.action_low=... dataset.action_high=..."
        )  # fmt: skip

        return Defects(BOUNDS, len(steps), at)

    def _not_marks(self, number: int, key: str, values: NDArray[Any]) -> Defects:
        steps = not_marks(values)

        def at(i: int) -> Defect:
            what = f"{key} is {values[steps[i]]}; {MARK_RULE}"
            return Defect(self.dataset, what, number, int(steps[i]))

        return Defects(MARKS, len(steps), at)

    def _not_finite(self, number: int, key: str, values: NDArray[Any]) -> Defects:
        steps = unusable(values)

        def at(i: int) -> Defect:
            what = f"{key} is {unusable_in_words(values[steps[i]])}."
            advice = "Remove the episode or mend the dataset."
            return Defect(self.dataset, what, number, int(steps[i]), advice=advice)

        return Defects(FINITE, len(steps), at)
