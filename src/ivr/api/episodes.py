"""Plays episodes with a policy that may remember them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.types import ActFunction, RememberingPolicy

Floats = NDArray[np.float32]


class Episodes:
    """Episodes that a policy plays, with what it remembers of them.

    Args:
        algorithm: whose R members play.
        episodes: N; None for a single one, without an axis for it.
        index: of the member; None for all of them.
        batch: checks observations; returns (1, N, O), and whether a single one was given.
    """

    def __init__(
        self,
        algorithm: OfflineAlgorithm,
        episodes: int | None,
        index: int | None,
        batch: Callable[[ArrayLike], tuple[Tensor, bool]],
    ) -> None:
        self.algorithm = algorithm
        self.episodes = episodes
        self.index = index
        self._batch = batch
        self.reset()

    def reset(self) -> None:
        """Begin all episodes anew."""
        slots = 1 if self.episodes is None else self.episodes
        self._starts = torch.ones(slots, dtype=torch.bool, device=self.algorithm.device)
        algorithm: Any = self.algorithm
        remembers = isinstance(algorithm, RememberingPolicy)
        self._play: ActFunction | None = algorithm.begin(slots) if remembers else None

    def restart(self, which: ArrayLike) -> None:
        """Begin some episodes anew with their next observation, those where `which` (N,) is set.

        One truth value stands for all of them.

        Raises:
            UserError: another number of them.
        """
        given = np.array(which, bool)
        if given.shape not in ((), tuple(self._starts.shape)):
            raise UserError(
                f"which is of shape {given.shape}: give a truth value for each of the "
                f"{len(self._starts)} episodes, or one for all"
            )
        self._starts |= torch.from_numpy(given).to(self._starts.device)

    def act(self, observations: ArrayLike, rewards: ArrayLike | None = None) -> Floats:
        """The actions in the latest observations.

        Args:
            observations: (N, O), or (O,) of a single episode; raw.
            rewards: (N,), or a number: what the actions before brought, in the units of the data.
                Needed by policies that remember their episode, except where it begins.

        Returns:
            (A,) or (N, A); with all members (R, A) or (R, N, A).

        Raises:
            UserError: another shape, or no rewards where they are needed.
        """
        batch, single = self._batch(observations)
        slots = len(self._starts)
        if single != (self.episodes is None) or batch.shape[1] != slots:
            wanted = "(O,)" if self.episodes is None else f"({slots}, O)"
            raise UserError(
                f"observations are of {batch.shape[1]} episodes, and begin({self.episodes}) plays "
                f"{slots}: give {wanted}"
            )
        runs = self.algorithm.runs
        with torch.inference_mode():
            everyone = batch.expand(runs, -1, -1)
            if self._play is None:
                actions = self.algorithm.act(everyone)
            else:
                received = self._received(rewards).expand(runs, -1)
                actions = self._play(everyone, received, self._starts.expand(runs, -1))
        self._starts.zero_()
        return chosen(actions, self.index, single)

    def _received(self, rewards: ArrayLike | None) -> Tensor:
        """(N,), and 0 where an episode begins."""
        slots = len(self._starts)
        if rewards is None:
            if not self._starts.all():
                raise UserError(
                    "this policy is asked for a return, and takes off what it has received: give "
                    "the reward of the step before, act(observation, reward)"
                )
            rewards = np.zeros(slots)
        array = np.asarray(rewards, np.float32).reshape(-1)
        if len(array) != slots:
            raise UserError(f"rewards are {len(array)} numbers for {slots} episodes")
        received = torch.from_numpy(np.array(array)).to(self._starts.device)
        return received.masked_fill(self._starts, 0)


def chosen(values: Tensor, index: int | None, single: bool) -> Floats:
    """Take one member of (R, N, ...), or all, and the only row of a single observation."""
    values = values if index is None else values[index]
    if single:
        values = values.select(1 if index is None else 0, 0)
    found: Floats = values.cpu().numpy().copy()
    return found
