"""Counts statistics of a dataset, one episode at a time."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.bounds import outside, outside_by_number
from ivr.agreement.names import Names
from ivr.agreement.views import View, join, view_keys
from ivr.data.cache.rewards_and_ends import in_maze, rewards_and_ends
from ivr.data.sources.source import Episode, Source, observation_names, unusable
from ivr.inspection.duplicates import Duplicates
from ivr.inspection.occupancy import Occupancy
from ivr.inspection.streaming import BINS, Histogram, Moments
from ivr.mazes import Maze

_SAMPLE = 100_000
"""Rows, about, that outliers are looked for in."""
_EDGE = 0.999
"""An action counts as at its bound from this part of the way on from the middle."""


class Rewards:
    """Lengths, returns, rewards and ends of episodes, as they are recorded or trained on."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.returns: list[float] = []
        self.moments = Moments(1)
        self.terminated = self.truncated = 0
        self.ended: list[bool] = []
        """Whether each episode ends with a terminal."""

    def add(
        self, rewards: NDArray[Any], terminated: NDArray[np.bool_], truncated: NDArray[np.bool_]
    ) -> None:
        """Add one episode."""
        finite = _finite_rows(rewards)
        self.lengths.append(len(rewards))
        self.returns.append(float(finite.sum()))
        self.moments.add(finite)
        self.terminated += int(terminated.sum())
        self.truncated += int(truncated.sum())
        self.ended.append(bool(terminated[-1:].any()))


class Tally:
    """Statistics of a source's episodes; numbers that are not finite are left out of them.

    Memory is bounded but for a few numbers an episode.
    """

    def __init__(
        self,
        source: Source,
        view: View,
        maze: Maze | None,
        cells: str = "",
    ) -> None:
        """Begin with no episode of `source`.

        Args:
            source: of the episodes.
            view: see `rewards_and_ends`.
            maze: likewise.
            cells: whose start and goal the maze has, in words.
        """
        self._source, self._view, self._maze = source, view, maze
        self.cells = cells
        self._keys: tuple[str, ...] = ()
        self._from_maze = in_maze(source, maze)
        self.recorded, self.kept = Rewards(), Rewards()
        self.left_out = 0
        """Rows whose next observation is unknown."""
        self.rewards = Histogram()
        self.oddities: Counter[str] = Counter()
        """How often something legal, but hardly intended, occurs."""
        self.first: dict[str, str] = {}
        width = len(source.action_low)
        self.actions = Moments(width)
        self.action_counts = np.zeros((width, BINS), np.int64)
        self.at_low, self.at_high = np.zeros(width, np.int64), np.zeros(width, np.int64)
        self.clipped = 0
        """Actions outside of their bounds."""
        self.clipped_by_number = np.zeros(width, np.int64)
        self.names = Names((), tuple(source.action_names))
        self.observations: Moments | None = None
        self._every = max(1, source.total_steps // _SAMPLE)
        self._sampled: tuple[list[NDArray[np.float64]], ...] = ([], [])
        self.duplicates = Duplicates()
        self.occupancy = Occupancy(maze) if maze else None
        self.leading = 0
        """Episodes that go from the evaluation's start to its goal."""
        self._starts: list[int] = []

    def add(self, episode: Episode) -> None:
        """Count one episode, whose shapes fit."""
        number = len(self.recorded.lengths)
        terminations = np.asarray(episode.terminations, np.bool_)
        truncations = np.asarray(episode.truncations, np.bool_)
        rewards = np.asarray(episode.rewards, np.float64)
        whole = np.concatenate([rewards, episode.left_out])
        self.left_out += len(episode.left_out)
        self.recorded.add(whole, terminations, truncations)
        self._starts.append(self.duplicates.rows)
        self._look_at_ends(number, terminations, truncations)
        kept = rewards_and_ends(episode, self._view, self._maze, self._from_maze)
        if kept.steps:
            self.kept.add(kept.rewards, kept.terminated, kept.truncated)
            cut = kept.steps == 1 < len(rewards)
            self.odd("episode cut to one step: at the goal at once", cut, number)
            self.rewards.add(_finite_rows(kept.rewards)[:, 0])
        self._keys = self._keys or view_keys(self._view, episode.observations)
        seen = join(self._keys, episode.observations)
        if self.observations is None:
            self.observations = Moments(seen.shape[1])
            self.names = Names(observation_names(self._source, self._keys), self.names.actions)
        self.observations.add(_finite_rows(seen))
        actions = np.asarray(episode.actions, np.float64)
        self._sampled[0].append(_finite_rows(seen)[:: self._every])
        self._sampled[1].append(_finite_rows(actions)[:: self._every])
        self._look_at_actions(actions)
        rows = [seen[:-1], actions.astype(np.float32), rewards.astype(np.float32)[:, None]]
        self.duplicates.add(np.concatenate(rows, axis=1, dtype=np.float32))
        if self.occupancy is not None:
            maze = self.occupancy.maze
            recorded = _finite_rows(episode.observations.get("achieved_goal", seen))
            positions = maze.centred(recorded[:, :2])
            self.occupancy.add(positions)
            self.leading += len(positions) > 0 and maze.leads(positions)

    @property
    def sampled(self) -> list[NDArray[np.float64]]:
        """Some observations and actions, (N, O) and (N, A), evenly spaced in each episode."""
        return [np.concatenate(rows) for rows in self._sampled]

    def odd(self, what: str, count: int, number: int, step: int | None = None) -> None:
        """Count what is legal, but hardly intended, in the episode of that number.

        `what` begins with what is counted, in the singular.
        """
        if count:
            place = f"episode {number}" + ("" if step is None else f", step {step}")
            self.first.setdefault(what, place)
            self.oddities[what] += count

    def place(self, row: int) -> str:
        """Name the episode and step of a transition."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"episode {number}, step {row - self._starts[number]}"

    def _look_at_ends(
        self, number: int, terminations: NDArray[np.bool_], truncations: NDArray[np.bool_]
    ) -> None:
        steps = len(terminations)
        self.odd("episode without a step, left out", steps == 0, number)
        self.odd("episode of one step", steps == 1, number)
        self.odd(
            "episode whose end is not marked, taken as ended by time",
            steps > 0 and not (terminations[-1] or truncations[-1]),
            number,
        )
        for name, marks in (("terminated", terminations), ("truncated", truncations)):
            inside = np.flatnonzero(marks[:-1])
            what = f"step marked as {name} after which the episode continues"
            self.odd(what, len(inside), number, int(inside[0]) if len(inside) else None)

    def _look_at_actions(self, actions: NDArray[np.float64]) -> None:
        low, high = self._source.action_low, self._source.action_high
        finite = _finite_rows(actions)
        self.actions.add(finite)
        self.clipped += int(outside(finite, low, high).sum())
        self.clipped_by_number += outside_by_number(finite, low, high)
        scaled = 2 * (finite - low) / (high - low) - 1
        self.at_low += (scaled <= -_EDGE).sum(0)
        self.at_high += (scaled >= _EDGE).sum(0)
        bins = np.clip((scaled + 1) / 2 * BINS, 0, BINS - 1).astype(np.int64)
        for column, counts in zip(bins.T, self.action_counts, strict=True):
            counts += np.bincount(column, minlength=BINS)


def _finite_rows(values: NDArray[Any]) -> NDArray[np.float64]:
    """Select the rows (n, columns) in which everything is finite, also in float32."""
    fine = np.ones(len(values), np.bool_)
    fine[unusable(values)] = False
    columns = int(np.prod(np.shape(values)[1:]))
    return np.asarray(values, np.float64).reshape(len(values), columns)[fine]
