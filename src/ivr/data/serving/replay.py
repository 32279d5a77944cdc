"""Transitions that are collected while a run trains, and batches of old and new ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule, cut
from ivr.data.serving.returns import episode_returns_to_go
from ivr.data.serving.schedule import Schedule
from ivr.types import Batch, Needs

_COLUMNS = ("observations", "actions", "rewards", "terminated", "next_observations")
_RETURNS = "discounted_returns_to_go"


class ReplayBuffer:
    """The latest transitions of R members, on one device; all members have equally many.

    Args:
        members: R.
        capacity: transitions of each member that are kept.
        observation_dim, action_dim: O and A.
        device: where they are.
        return_discount: keep the return to go at this discount as well; None for no such column.
    """

    def __init__(
        self,
        members: int,
        capacity: int,
        observation_dim: int,
        action_dim: int,
        device: torch.device | str = "cpu",
        return_discount: float | None = None,
    ) -> None:
        self.return_discount = return_discount
        self.capacity = capacity
        self.added = 0
        """Transitions of each member that were ever added."""
        shape = (members, capacity)
        self.columns = Batch(
            observations=torch.zeros(*shape, observation_dim, device=device),
            actions=torch.zeros(*shape, action_dim, device=device),
            rewards=torch.zeros(shape, device=device),
            terminated=torch.zeros(shape, device=device),
            next_observations=torch.zeros(*shape, observation_dim, device=device),
        )
        self.names: tuple[str, ...] = _COLUMNS
        """Of the columns that are kept."""
        if return_discount is not None:
            self.names = (*_COLUMNS, _RETURNS)
            unknown = torch.full(shape, -torch.inf, device=device)
            self.columns = self.columns._replace(discounted_returns_to_go=unknown)

    def add(self, transition: Batch) -> None:
        """Add one transition of each member, axes (R, ...)."""
        place = self.added % self.capacity
        for name in _COLUMNS:
            getattr(self.columns, name)[:, place] = getattr(transition, name)
        if self.columns.discounted_returns_to_go is not None:
            self.columns.discounted_returns_to_go[:, place] = -torch.inf
        self.added += 1

    def end_episode(self, member: int, length: int, terminated: bool) -> None:
        """Fill in the returns to go of a member's last `length` transitions, an episode.

        Until then they are minus infinity: below whatever is held against them. They stay so where
        an episode was cut off and, at a discount of 1, what would have followed has no return.
        """
        if self.columns.discounted_returns_to_go is None or self.return_discount is None:
            return
        if self.return_discount == 1 and not terminated:
            return
        places = torch.arange(self.added - length, self.added) % self.capacity
        rewards = self.columns.rewards[member, places].tolist()
        found = episode_returns_to_go(rewards, terminated, self.return_discount)
        column = self.columns.discounted_returns_to_go
        column[member, places] = torch.tensor(found, dtype=column.dtype, device=column.device)

    def gather(self, index: Tensor) -> Batch:
        """The transitions at places `index` (C, R, B) of each member's own: axes (C, R, B, ...)."""
        members = torch.arange(index.shape[1], device=index.device)[:, None]
        return Batch(**{name: getattr(self.columns, name)[members, index] for name in self.names})

    def latest_actions(self, member: int, count: int) -> Tensor:
        """A member's last `count` actions, oldest first, (count, A)."""
        places = torch.arange(self.added - count, self.added) % self.capacity
        return self.columns.actions[member, places]

    def state_dict(self) -> dict[str, Any]:
        """Return what was added, for a checkpoint."""
        held = min(self.added, self.capacity)
        columns = {name: getattr(self.columns, name)[:, :held].clone() for name in self.names}
        return {"added": self.added, **columns}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: it is of other members, or of other sizes.
        """
        added = state["added"]
        held = min(added, self.capacity)
        for name in self.names:
            column = getattr(self.columns, name)
            if state[name].shape != column[:, :held].shape or state[name].dtype != column.dtype:
                raise ValueError(f"its replay buffer has {name} of another shape")
            column[:, :held] = state[name]
        self.added = added


class MixedDataModule(TransitionDataModule):
    """Serves batches of which a part is offline data and the rest was collected.

    Update u of the member with seed s draws by the keys (s, "batches", u) and (s, "replay", u).

    Args:
        dataset: the offline data.
        schedule: when what is collected.
        buffer: what is collected.
        collect: steps the environments up to a number of steps; called before every chunk.
        seeds, batch_size, chunk, boundaries, epoch, needs: see `TransitionDataModule`.
    """

    def __init__(
        self,
        dataset: OfflineDataset,
        schedule: Schedule,
        buffer: ReplayBuffer,
        collect: Callable[[int], None],
        *,
        seeds: Sequence[int],
        batch_size: int,
        chunk: int,
        boundaries: Sequence[int] = (),
        epoch: int | None = None,
        needs: Needs | None = None,
    ) -> None:
        super().__init__(
            dataset,
            seeds=seeds,
            batch_size=batch_size,
            num_updates=schedule.num_updates,
            chunk=chunk,
            boundaries=boundaries,
            epoch=epoch,
            needs=needs,
        )
        self.schedule = schedule
        self.buffer = buffer
        self.collect = collect
        self._replay_keys = torch.tensor([random.key(seed, "replay") for seed in seeds])

    def batches(self, first: int, count: int) -> Batch:
        """Draw the batches of the updates first..first+count-1, axes (count, R, B, ...).

        All of them belong to one block, so that as many steps are taken before each.
        """
        old = super().batches(first, count)
        device = self.dataset.rows.device
        updates = torch.arange(first, first + count, device=device)
        steps = self.schedule.steps_before(first)
        if steps == 0:
            return old
        keys = self._replay_keys.to(device)
        held = min(steps, self.buffer.capacity)
        new = self.buffer.gather(random.integers(keys, updates, self.batch_size, held))
        part = self.schedule.offline_part(updates, self.batch_size)
        is_old = torch.arange(self.batch_size, device=device) < part[:, None, None]  # (C, 1, B)

        def chosen(name: str, ours: Tensor) -> Tensor:
            theirs = getattr(new, name)
            if theirs is None:  # every critic is fitted to what is new
                theirs = torch.ones_like(ours)
            shaped = is_old.view(*is_old.shape, *[1] * (ours.dim() - 3))
            return torch.where(shaped, ours, theirs)

        columns: dict[str, Any] = {
            k: None if v is None else chosen(k, v) for k, v in old._asdict().items()
        }
        return Batch(**columns)

    def _iterate(self) -> Iterator[Any]:
        assert self.trainer is not None
        start = self.trainer.global_step
        stop = self.num_updates
        if self.epoch is not None:
            stop = min(stop, start - start % self.epoch + self.epoch)
        # Lightning fetches one ahead of what is trained: only the numbers, so that the policy that
        # collects is the one before the chunk, however far it was fetched.
        yield from cut(start, stop, self.chunk, self.boundaries)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Take the steps that come before a chunk, and draw it."""
        first, count = batch
        self.collect(self.schedule.steps_before(first))
        return self.batches(first, count)
