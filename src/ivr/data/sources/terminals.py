"""Time limits that are recorded as terminals: how they are read, and what gives them away."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.source import Episode
from ivr.errors import UserError

_LEAST = 3
"""Episodes of one length that are no chance, where the environment's limit is unknown."""


@dataclass(frozen=True)
class Terminals:
    """Decides which recorded terminals were ends by time, after which values go on.

    Raises:
        UserError: no such choice, or one that lacks its limit.
    """

    choice: str = "as_recorded"
    """as_recorded: none; as_timeouts: all; as_timeouts_at_limit: those of episodes of `limit`
    steps."""
    limit: int | None = None

    def __post_init__(self) -> None:
        choices = ("as_recorded", "as_timeouts", "as_timeouts_at_limit")
        if self.choice not in choices:
            raise UserError(f"dataset.terminals={self.choice}: there is {', '.join(choices)}")
        if self.choice == choices[2] and self.limit is None:
            raise UserError(
                f"dataset.terminals={self.choice} needs the collection's limit: set "
                "dataset.max_episode_steps"
            )

    @property
    def mark_time(self) -> bool:
        """Whether some of them are ends by time."""
        return self.choice != "as_recorded"

    def by_time(self, steps: int) -> bool:
        """Whether a terminal after so many steps was an end by time."""
        return self.mark_time and (self.choice == "as_timeouts" or steps == self.limit)

    def read(self, episode: Episode) -> Episode:
        """Truncate an episode where it was terminated by time."""
        terminated = np.asarray(episode.terminations, np.bool_)
        if not self.by_time(len(terminated)):
            return episode
        truncated = terminated | np.asarray(episode.truncations, np.bool_)
        return episode._replace(terminations=np.zeros_like(terminated), truncations=truncated)


AS_RECORDED = Terminals()


def suspected(
    lengths: NDArray[np.integer], terminated: NDArray[np.bool_], limit: int | None
) -> str | None:
    """Say that time limits seem to be recorded as terminals, and which option cures it.

    Args:
        lengths: steps of each episode (episodes,).
        terminated: whether it ends with a terminal (episodes,).
        limit: of an episode in the environment, None where there is none.

    Returns:
        The warning; None where some episode of that length is truncated, or too few have it.
    """
    ours = limit is not None and bool((lengths == limit).any())
    at = limit if ours else int(lengths.max(initial=0))
    there = lengths == at
    count = int(there.sum())
    least = min(2, len(lengths)) if ours else _LEAST
    if at == 1 or count < least or not terminated[there].all():
        return None
    if not ours and not (terminated.all() and 2 * count >= len(lengths)):
        return None
    cure = "dataset.terminals=as_timeouts"
    if int(terminated.sum()) > count:
        cure = f"dataset.terminals=as_timeouts_at_limit dataset.max_episode_steps={at}"
    return (
        f"{count:,} of {len(lengths):,} episodes are terminated after exactly {at} steps"
        f"{', the limit of the environment' if ours else ''}, and none of that length is "
        f"truncated: if that is a time limit, give {cure}, else values are learned as if the task "
        "ended there"
    )
