"""Defines what a conversion needs of a source of episodes, whatever its format."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.names import all_names, called
from ivr.agreement.views import Observations
from ivr.data.sources.defects import Report, refuse
from ivr.errors import UserError

Bound = float | Sequence[float] | None
"""A limit of actions: one number for all dimensions, one for each, or none."""


MARK_RULE = "it must be 0 or 1 (1 where an episode ends). Mend the data."
"""What is said about a value that `not_marks` finds."""


class Episode(NamedTuple):
    """An episode of T steps as it was recorded."""

    observations: Observations  # each (T + 1, ...)
    actions: NDArray[np.floating]  # (T, A)
    rewards: NDArray[np.floating]  # (T,)
    terminations: NDArray[np.bool_]  # (T,)
    truncations: NDArray[np.bool_]  # (T,)
    left_out: NDArray[np.floating] = np.zeros(0)
    """Reward of a last step whose next observation is unknown, (1,); else (0,)."""


class States(NamedTuple):
    """MuJoCo's states as they are recorded beside N steps."""

    qpos: NDArray[np.floating]  # (N, nq)
    qvel: NDArray[np.floating]  # (N, nv)


class RecordedSteps(NamedTuple):
    """N recorded steps, of any episodes."""

    before: Observations  # each (N, ...)
    actions: NDArray[np.floating]  # (N, A)
    after: Observations  # each (N, ...)
    states: States | None = None
    """What stands in each step's own row; None where states are not recorded."""
    states_above: States | None = None
    """What stands in the row above, NaN where that is of another episode: some recorders wrote the
    state that a step led to into its row."""


class Source(Protocol):
    """Recorded data on this machine; opening one reads its description, not its transitions."""

    id: str
    place: str
    """Where the data lie, for messages."""
    metadata: dict[str, Any]
    """Facts, as JSON, that decide how the files are read."""
    is_dict: bool
    """Whether an observation is a dictionary; else its one entry is "observation"."""
    unread: tuple[str, ...]
    """Entries of an observation that are no vectors."""
    clips_actions: bool
    """Whether actions beyond the bounds are clipped to them, with a warning, or refused."""
    env_spec: str | None
    """The recorded Gymnasium EnvSpec, as JSON."""
    differs: str | None
    """How the data differ from those published under the name that they are read by, in words;
    None where they do not, or where nothing is published."""

    @property
    def boxes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each entry of an observation that is a vector."""

    @property
    def notes(self) -> Sequence[str]:
        """What was done to the data and what is assumed about them, in sentences."""

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the numbers of each entry of an observation; none, or () for unnamed ones."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the numbers of an action; () where the data name none."""

    @property
    def action_low(self) -> NDArray[np.float64]:
        """Least actions (A,)."""

    @property
    def action_high(self) -> NDArray[np.float64]:
        """Greatest actions (A,)."""

    @property
    def total_steps(self) -> int:
        """Transitions, at most."""

    @property
    def total_episodes(self) -> int | None:
        """Episodes; None where they can only be counted by reading all of them."""

    def files(self) -> list[Path]:
        """All files of the data, in an order that matters."""

    def episodes(self, report: Report = refuse) -> Iterator[Episode]:
        """Yield the episodes in their order, each checked.

        Args:
            report: receives the defects. Where it raises nothing, reading continues: an episode
                whose shapes fit is yielded with its defects, any other is left out.

        Raises:
            UserError: with the place of what is wrong.
        """

    def sample(self, places: Sequence[float], length: int) -> RecordedSteps:
        """Take a few steps, without reading all data.

        Args:
            places: where to begin, each from 0 (the first step or episode) to 1.
            length: the most consecutive steps that are taken from there.

        Raises:
            UserError: what is there cannot be read, or there is no step.
        """


def filled(
    low: Bound, high: Bound, own: Sequence[NDArray[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fill in the bounds (A,) that are not given with one's own.

    Raises:
        UserError: of another number than actions have.
    """
    found = []
    for name, given, ours in zip(("action_low", "action_high"), (low, high), own, strict=True):
        bound = np.asarray(ours if given is None else given, np.float64)
        if bound.shape not in ((), ours.shape):
            raise UserError(
                f"dataset.{name}={given} has {bound.size} numbers, and actions have "
                f"{len(ours)}: give one for each, or one for all. Where none are given they are "
                "the environment's, which then is another one than the data's."
            )
        found.append(np.broadcast_to(bound, ours.shape))
    return found[0], found[1]


def check_bounds(name: str, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """Check that actions can be scaled by their bounds (A,).

    Raises:
        UserError: one is not finite, or not below the other.
    """
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise UserError(
            f"{name}: the action bounds are {low.tolist()} to {high.tolist()}; actions "
            "are scaled by their bounds, so these must be finite, low below high. Give others: "
            "dataset.action_low=... dataset.action_high=..."
        )


def observation_names(source: Source, keys: Sequence[str]) -> tuple[str, ...]:
    """Name the numbers of an observation that joins the entries `keys`; () where none is named."""
    names = [source.names.get(key, ()) for key in keys]
    if not any(names):
        return ()
    sizes = [source.boxes[key][0] for key in keys]
    each = zip(names, keys, sizes, strict=True)
    return tuple(name for own, key, size in each for name in all_names(own, key, size))


def no_transitions(source: Source, left_out: int) -> str:
    """Say that nothing of a source can be trained on, and why.

    Args:
        source: read to its end.
        left_out: rows whose next observation is unknown.
    """
    why = "no episode in it has a step"
    if left_out:
        why = (
            "each of its episodes is one row, and what was observed after it is not recorded. Add "
            "next_observations; or, if the episodes are longer than a row, mend the marks or the "
            "numbers that separate them; or mark the rows as terminated, if the task itself ended "
            "there"
        )
    return f"{source.id} at {source.place} has no transitions: {why}."


def unusable(values: NDArray[Any]) -> NDArray[np.int64]:
    """Find the rows with a number that float32 cannot hold."""
    # Judged as they are stored: what overflows float32 would be infinite later.
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.asarray(values, np.float32))
    if finite.all():
        return np.empty(0, np.int64)
    return np.flatnonzero(~finite.reshape(len(finite), -1).all(1))


def unusable_in_words(values: NDArray[Any], names: Sequence[str] = ()) -> str:
    """Say which number of a row (n,), or the one number (), cannot be held by float32."""
    if np.ndim(values) == 0:
        return f"{values}"
    number = unusable(values)[0]
    return f"{values[number]} in {called(names, 'dimension', number)}"


def not_marks(values: NDArray[Any]) -> NDArray[np.int64]:
    """Find the rows (rows,) whose mark of an end is neither 0 nor 1."""
    return np.flatnonzero((values != 0) & (values != 1))
