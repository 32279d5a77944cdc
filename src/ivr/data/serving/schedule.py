"""When environments are stepped, and when networks."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """When environments are stepped and when networks are: blocks of both take turns.

    The numbers of steps and of updates are functions of each other, so that a run that resumes
    finds its place by its number of updates alone.
    """

    offline_updates: int
    """Updates on the data alone, before the first step."""
    warmup_steps: int
    """Steps of the offline policy before the first update that sees them."""
    num_steps: int
    """Steps of each member in all."""
    block: int
    """Steps that are taken between two blocks of updates."""
    updates_per_step: int
    offline_share: tuple[float, float]
    """Of a batch, at the first online update and at the last."""

    @property
    def block_updates(self) -> int:
        """Updates between two blocks of steps."""
        return self.block * self.updates_per_step

    @property
    def num_updates(self) -> int:
        """Updates in all."""
        steps = self.num_steps - self.warmup_steps
        return self.offline_updates + steps * self.updates_per_step

    def steps_before(self, update: int) -> int:
        """Steps that are taken before an update (or, at the end, in all)."""
        online = update - self.offline_updates
        if online < 0:
            return 0
        blocks = online // self.block_updates + 1
        return min(self.num_steps, self.warmup_steps + blocks * self.block)

    def offline_part(self, updates: Tensor, batch_size: int) -> Tensor:
        """How many transitions of a batch are offline data, at updates (C,): (C,) int64."""
        online = updates - self.offline_updates
        span = max(1, self.num_updates - 1 - self.offline_updates)
        first, last = self.offline_share
        share = first + (last - first) * (online.double() / span).clamp(0, 1)
        part = (share * batch_size).round().long()
        return torch.where(online < 0, batch_size, part)
