"""Decides the rewards and ends of an episode that are trained on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.agreement.views import View
from ivr.agreement.walls import recorded_walls
from ivr.data.cache.relabel import relabel
from ivr.data.sources.source import Episode, Source
from ivr.mazes import Maze


class RewardsAndEnds(NamedTuple):
    """Rewards and ends of the transitions that are kept of an episode."""

    steps: int
    rewards: NDArray[np.float32]  # (steps,), before their transform
    terminated: NDArray[np.bool_]  # (steps,)
    truncated: NDArray[np.bool_]  # (steps,)


def in_maze(source: Source, maze: Maze | None) -> bool:
    """Whether the data come from a maze: they record its walls, or `maze` says so."""
    return maze is not None or recorded_walls(source.env_spec) is not None


def rewards_and_ends(
    episode: Episode, view: View, maze: Maze | None, from_maze: bool
) -> RewardsAndEnds:
    """Take an episode's recorded rewards and ends, or recompute them for a goal in a maze.

    Args:
        episode: of T steps.
        view: see `agreement.views.view_keys`; with goal_conditioned each episode's own goal counts.
        maze: with view=d4rl its goal counts.
        from_maze: whether the data come from a maze, see `in_maze`. Other tasks judge a success by
            another distance (Fetch by 0.05 m): what they recorded is kept.
    """
    steps = len(episode.actions)
    rewards = np.asarray(episode.rewards, np.float32)
    terminated = np.asarray(episode.terminations, np.bool_)
    truncated = np.asarray(episode.truncations, np.bool_)
    goals: NDArray[np.floating] | None = None
    if maze is not None and view == "d4rl":
        goals = maze.centre(maze.goal)
    if from_maze and view == "goal_conditioned":
        goals = episode.observations["desired_goal"]
    if goals is not None:
        positions = episode.observations["achieved_goal"]
        steps, rewards, terminated = relabel(positions, goals)
    # An episode that was only stopped (at a limit, or because the collection ended) is truncated;
    # one that reached its end is not, whatever else was recorded.
    truncated = truncated[:steps] & ~terminated
    truncated[-1:] = ~terminated[-1:]
    return RewardsAndEnds(steps, rewards, terminated, truncated)
