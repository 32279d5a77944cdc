"""The data as every algorithm sees them: transitions in a few flat tensors."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ivr.types import Batch


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a dataset that scores are reported with."""

    name: str
    source: str
    """Where the data come from, in words; data that ivr generated say so."""
    fingerprint: str
    """Hash of the converted transitions: equal exactly when the data are."""
    transitions: int
    episodes: int
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    env_spec: str | None
    """The recorded Gymnasium EnvSpec of the collection, as JSON."""
    maze_layout: tuple[tuple[int, ...], ...] | None
    """Walls (1) and free cells (0) that the data were collected in, where recorded."""
    goal: tuple[float, ...] | None = None
    """Centre (x, y) of the evaluation's goal cell in metres, in a maze."""
    reward_scale: float = 1.0
    reward_shift: float = 0.0
    """Rewards are reward_scale times the recorded (or relabelled) ones plus reward_shift."""
    noise: dict[str, Any] | None = None
    """What was mixed in, as it came out; see `mixing.Mix`."""
    subset: dict[str, Any] | None = None
    """What was kept; see `subsets`."""
    split: dict[str, Any] | None = None
    """What was held out of it; see `split.Split`."""
    requirements: tuple[str, ...] = ()
    """Packages that the data say their environment needs, as pip takes them."""
    observation_names: tuple[str, ...] = ()
    """O names such as pressure_Pa; () where the data name none. See `agreement.names.Names`."""
    action_names: tuple[str, ...] = ()
    """A names, likewise."""
    entries: tuple[str, ...] = ()
    """Entries of a dictionary that an observation joins, in their order; () where it is none, or
    where dataset.view says which by another name."""
    in_pieces: bool = False
    """Whether a subset cut episodes to pieces, which are episodes here and begin midway."""


@dataclass(frozen=True, eq=False)
class OfflineDataset:
    """N transitions over `rows` observations: an episode of T steps has T + 1 rows.

    Transition n goes from observations[rows[n]] to observations[rows[n] + 1], so that the two
    can never come from different episodes.
    """

    observations: Tensor  # (rows, O) float32
    actions: Tensor  # (N, A) float32, scaled to [-1, 1]
    rewards: Tensor  # (N,) float32
    terminated: Tensor  # (N,) bool
    truncated: Tensor  # (N,) bool
    rows: Tensor  # (N,) int64
    episode_returns: Tensor  # (episodes,) float64, undiscounted, before the transform of rewards
    info: DatasetInfo

    @property
    def num_transitions(self) -> int:
        """N."""
        return len(self.rows)

    @property
    def observation_dim(self) -> int:
        """O."""
        return self.observations.shape[-1]

    @property
    def action_dim(self) -> int:
        """A."""
        return self.actions.shape[-1]

    @cached_property
    def episodes(self) -> Tensor:
        """Number of each transition's episode, (N,): one ends where the rows do not go on."""
        ended = torch.zeros_like(self.rows)
        ended[1:] = self.rows[1:] != self.rows[:-1] + 1
        return ended.cumsum(0)

    @cached_property
    def starts(self) -> Tensor:
        """Number of the first transition of each transition's episode, (N,)."""
        return torch.searchsorted(self.episodes, self.episodes)

    @cached_property
    def ends(self) -> Tensor:
        """Number of the last transition of each transition's episode, (N,)."""
        return torch.searchsorted(self.episodes, self.episodes, right=True) - 1

    @property
    def best_return(self) -> float:
        """The highest return of an episode, undiscounted and before the transform of rewards."""
        return float(self.episode_returns.max())

    @cached_property
    def steps(self) -> Tensor:
        """Steps of each transition's episode before it, (N,)."""
        return torch.arange(self.num_transitions, device=self.rows.device) - self.starts

    @cached_property
    def returns_to_go(self) -> Tensor:
        """Recorded rewards from each transition on, undiscounted, (N,) float64."""
        rewards = (self.rewards.double() - self.info.reward_shift) / self.info.reward_scale
        total = torch.cat((rewards.new_zeros(1), rewards.cumsum(0)))
        return total[self.ends + 1] - total[:-1]

    def gather(self, index: Tensor, next_actions: bool = False) -> Batch:
        """The transitions at `index` (int64, any shape, on the data's device).

        Args:
            index: numbers of transitions.
            next_actions: with the action that follows, which means nothing after an episode's
                last transition.

        Returns:
            A batch whose leading axes are those of `index`.
        """
        flat = index.flatten()
        rows = self.rows.index_select(0, flat)

        def take(column: Tensor, at: Tensor) -> Tensor:
            return column.index_select(0, at).view(*index.shape, *column.shape[1:])

        return Batch(
            observations=take(self.observations, rows),
            actions=take(self.actions, flat),
            rewards=take(self.rewards, flat),
            terminated=take(self.terminated, flat).float(),
            next_observations=take(self.observations, rows + 1),
            next_actions=take(self.actions, (flat + 1).clamp(max=self.num_transitions - 1))
            if next_actions
            else None,
        )

    def to(self, device: torch.device | str) -> "OfflineDataset":
        """The same data on `device`; nothing is copied where they are there already."""
        tensors = {
            field.name: getattr(self, field.name).to(device)
            for field in dataclasses.fields(self)
            if field.name != "info"
        }
        return dataclasses.replace(self, **tensors)
