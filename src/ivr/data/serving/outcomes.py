"""Serves what each trajectory later reached, for policies that are conditioned on it.

RvS (Emmons et al., ICLR 2022), section 4. An outcome has W numbers; `target` is the one that the
policy is asked for when it is evaluated.
"""

import copy
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError
from ivr.types import Needs


class Outcomes(Protocol):
    """Gives the outcome of each transition."""

    target: list[float]

    def draw(self, index: Tensor, seeds: Sequence[int], updates: Tensor) -> Tensor:
        """Draw outcomes of the transitions at `index` (C, R, B) at updates (C,): (C, R, B, W)."""

    def of(self, dataset: OfflineDataset) -> "Outcomes":
        """The outcomes of other data, such as those held out, in the units of these."""


class ReturnOutcomes:
    """RvS-R: the undiscounted return to go, before its transform, divided by the steps left.

    The time that is left counts to the end of the longest episode, so that an early end shows.
    Served with mean 0 and standard deviation 1 over the data.
    """

    def __init__(self, dataset: OfflineDataset, target: float | None) -> None:
        """`target`: the return of a whole episode to ask for; None: the best of the data."""
        self._horizon = int(dataset.steps.max()) + 1
        values = self._rates(dataset)
        self._mean, self._deviation = values.mean(), values.std(correction=0).clamp(min=1e-12)
        self._values = self._normalised(values)
        asked = float(dataset.episode_returns.max()) if target is None else target
        self.target = [float((asked / self._horizon - self._mean) / self._deviation)]

    def _rates(self, dataset: OfflineDataset) -> Tensor:
        # An episode that is longer than all of the data's counts as at their end.
        return dataset.returns_to_go / (self._horizon - dataset.steps).clamp(min=1)

    def _normalised(self, values: Tensor) -> Tensor:
        return ((values - self._mean) / self._deviation).float()[:, None]

    def of(self, dataset: OfflineDataset) -> "ReturnOutcomes":
        """The outcomes of other data, such as those held out, in the units of these."""
        other = copy.copy(self)
        other._values = self._normalised(self._rates(dataset))
        return other

    def draw(self, index: Tensor, seeds: Sequence[int], updates: Tensor) -> Tensor:
        """Look the outcome up: it does not depend on chance."""
        return self._values[index]


class GoalOutcomes:
    """RvS-G: the position (x, y) at a later time of the episode, each as likely as the others."""

    def __init__(self, dataset: OfflineDataset) -> None:
        goal = dataset.info.goal
        if goal is None:
            raise UserError(
                f"algo.conditioning=goal: {dataset.info.name} has no maze, so no goal. Use "
                "algo.conditioning=return"
            )
        self.target = list(goal)
        self._dataset = dataset

    def of(self, dataset: OfflineDataset) -> "GoalOutcomes":
        """The outcomes of other data, such as those held out."""
        return GoalOutcomes(dataset)

    def draw(self, index: Tensor, seeds: Sequence[int], updates: Tensor) -> Tensor:
        """Draw a later position for each transition, a function of (seed, update)."""
        keys = torch.tensor([random.key(s, "outcomes") for s in seeds], device=index.device)
        drawn = random.uniform(keys, updates, index.shape[-1])
        data = self._dataset
        left = data.ends[index] - index
        rows = data.rows[index] + 1 + (drawn.double() * (left + 1)).long()
        # The data's views of a maze begin with the position.
        return data.observations[rows, : len(self.target)]


def make_outcomes(dataset: OfflineDataset, needs: Needs) -> Outcomes | None:
    """Make the outcomes that an algorithm asks for; None where it asks for none.

    Raises:
        UserError: for a kind that does not exist, or that the data do not have.
    """
    if needs.outcome is None:
        return None
    if needs.outcome == "return":
        return ReturnOutcomes(dataset, needs.outcome_target)
    if needs.outcome == "goal":
        return GoalOutcomes(dataset)
    raise UserError(f"algo.conditioning={needs.outcome}: there is return, goal")
