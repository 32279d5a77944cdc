"""Chooses a part of a dataset to train on: a class for each value of `subset`.

Each says which transitions are kept; `picking.pick` makes a dataset of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.data.transforms.picking import random_transitions
from ivr.data.transforms.selection import best_episodes
from ivr.errors import UserError


class Subset(Protocol):
    """A rule that keeps a part of the data."""

    def __call__(self, dataset: OfflineDataset) -> Tensor:
        """Number the transitions that are kept, ascending, (M,) int64."""


@dataclass(frozen=True)
class Fraction:
    """Keep this share of the transitions: whole trajectories in random order, the last one cut.

    Raises:
        UserError: a share outside (0, 1].
    """

    keep: float
    seed: int = 0

    def __post_init__(self) -> None:
        _check_share(self.keep)

    def __call__(self, dataset: OfflineDataset) -> Tensor:
        return random_transitions(dataset, _count(self.keep, dataset), self.seed, "subset")


@dataclass(frozen=True)
class Trajectories:
    """Keep trajectories, whole, at random: a whole number of them, or a share (1.0 is all).

    Raises:
        UserError: a share outside (0, 1], a number below 1, or more than there are.
    """

    keep: int | float
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.keep, float):
            _check_share(self.keep)
        elif self.keep < 1:
            raise UserError(f"subset.keep={self.keep}: give trajectories, 1 or more, or a share")

    def __call__(self, dataset: OfflineDataset) -> Tensor:
        episodes = dataset.info.episodes
        share = isinstance(self.keep, float)
        count = max(1, round(self.keep * episodes)) if share else int(self.keep)
        if count > episodes:
            raise UserError(
                f"subset.keep={self.keep}: {dataset.info.name} has {episodes} trajectories"
            )
        order = torch.randperm(episodes, generator=random.generator(self.seed, "subset"))
        return _of_episodes(dataset, lambda chosen: chosen.index_fill_(0, order[:count], True))


@dataclass(frozen=True)
class Best:
    """Keep this share of the trajectories, those of the highest returns, as 10 % BC does.

    Raises:
        UserError: a share outside (0, 1].
    """

    keep: float

    def __post_init__(self) -> None:
        _check_share(self.keep)

    def __call__(self, dataset: OfflineDataset) -> Tensor:
        best = best_episodes(dataset.episode_returns, self.keep)
        return _of_episodes(dataset, lambda chosen: chosen.copy_(best))


@dataclass(frozen=True)
class HeavyTail:
    """Keep this share of a maze's transitions, fewer the nearer they are to the goal.

    After the small data of Xu et al. (ICLR 2023), section 5.3: the closer a transition is to the
    target, the likelier it is discarded. Their probabilities are in no released file; here a
    transition that starts d metres from the goal's centre is drawn, without replacement, with a
    weight d^power: a power law, whose tail towards the goal is
    thin but not cut off. A trajectory
    is cut wherever one of its transitions is dropped.

    Raises:
        UserError: a share outside (0, 1], a power of 0 or less, or data without a goal.
    """

    keep: float
    power: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_share(self.keep)
        if self.power <= 0:
            raise UserError(f"subset.power={self.power}: must be above 0, as in subset.power=1")

    def __call__(self, dataset: OfflineDataset) -> Tensor:
        goal = dataset.info.goal
        if goal is None:
            raise UserError(
                f"subset=heavy_tail thins the data towards a goal, and {dataset.info.name} has no "
                "maze: use subset=fraction, trajectories or best"
            )
        # The data's views of a maze begin with the position.
        positions = dataset.observations[:, : len(goal)].double()[dataset.rows]
        distance = (positions - torch.tensor(goal, dtype=torch.float64)).norm(dim=-1)
        generator = random.generator(self.seed, "subset")
        drawn = torch.rand(len(distance), dtype=torch.float64, generator=generator)
        # The k least of Exp(1)/weight are k draws without replacement (Efraimidis & Spirakis 2006);
        # as logarithms, so that no power overflows.
        late = (-drawn.log()).log() - self.power * distance.clamp(min=1e-6).log()
        first = torch.argsort(late, stable=True)[: _count(self.keep, dataset)]
        return torch.sort(first).values


SUBSETS: dict[str, Callable[..., Subset]] = {
    "fraction": Fraction,
    "trajectories": Trajectories,
    "best": Best,
    "heavy_tail": HeavyTail,
}


def _check_share(keep: float) -> None:
    if not (math.isfinite(keep) and 0 < keep <= 1):
        raise UserError(f"subset.keep={keep}: must be a share above 0 and up to 1, as in 0.1")


def _count(keep: float, dataset: OfflineDataset) -> int:
    return max(1, round(keep * dataset.num_transitions))


def _of_episodes(dataset: OfflineDataset, choose: Callable[[Tensor], Tensor]) -> Tensor:
    chosen = choose(torch.zeros(dataset.info.episodes, dtype=torch.bool))
    return chosen[dataset.episodes].nonzero().squeeze(-1)
