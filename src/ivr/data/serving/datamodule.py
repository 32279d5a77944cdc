"""Serves batches in chunks of updates, each a function of (seed, update) alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.bootstrap import bootstrap_weights
from ivr.data.serving.outcomes import make_outcomes
from ivr.data.serving.returns import discounted_returns_to_go
from ivr.data.serving.windows import Windows
from ivr.data.transforms.selection import hold_out, select
from ivr.errors import UserError, counted
from ivr.types import Batch, Needs


def cut(start: int, stop: int, chunk: int, boundaries: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut the updates start..stop-1 into (first, count) of at most `chunk` updates.

    No piece crosses a multiple of a number in `boundaries`: what happens every so many updates
    (an evaluation, a checkpoint) then happens between two chunks.
    """
    while start < stop:
        end = min([start + chunk, stop, *(start - start % every + every for every in boundaries)])
        yield start, end - start
        start = end


class _Chunks:
    """Iterates over chunks; it has no state, so there is none to save."""

    def __init__(self, iterate: Callable[[], Iterator[Batch]]) -> None:
        self._iterate = iterate

    def __iter__(self) -> Iterator[Batch]:
        return self._iterate()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class TransitionDataModule(LightningDataModule):
    """Serves chunks of batches with axes (C updates, R members, B transitions, ...).

    Update u of the member with seed s draws with replacement by the key (s, "batches", u):
    whatever the other members, the chunk size and where a run was resumed. Gathering happens
    on the device that the dataset is on.
    """

    def __init__(
        self,
        dataset: OfflineDataset,
        *,
        seeds: Sequence[int],
        batch_size: int,
        num_updates: int,
        chunk: int,
        boundaries: Sequence[int] = (),
        epoch: int | None = None,
        needs: Needs | None = None,
        policy_actions: Tensor | None = None,
    ) -> None:
        """Check the sizes and prepare what the algorithm asks for.

        Args:
            dataset: where to draw from.
            seeds: one for each of the R members.
            batch_size: B.
            num_updates: updates of the whole run; the loader ends there.
            chunk: the most updates that one chunk holds.
            boundaries: positive numbers whose multiples no chunk crosses.
            epoch: updates of an epoch, which ends at its multiples; None makes one of the run.
            needs: what the algorithm asks for beyond transitions.
            policy_actions: what P policies do at every observation, (P, rows, A) scaled, which is
                then served as the next action; R / P consecutive members have one policy.

        Raises:
            UserError: a batch is larger than the data, or the data lack what is needed.
        """
        super().__init__()
        if batch_size > dataset.num_transitions:
            raise UserError(
                f"{dataset.info.name} has {counted(dataset.num_transitions, 'transition')}, fewer "
                f"than a batch of {batch_size:,}, which batch_size= or the algorithm sets: give "
                f"batch_size={2 ** (dataset.num_transitions.bit_length() - 1)} or less."
            )
        self.dataset = dataset
        self.batch_size, self.num_updates = batch_size, num_updates
        self.chunk, self.boundaries = chunk, tuple(boundaries)
        self.epoch = epoch
        self.seeds = list(seeds)
        self.needs = needs or Needs()
        self.selection = select(dataset, self.needs)
        self.outcomes = make_outcomes(dataset, self.needs)
        discount = self.needs.return_discount
        self.discounted_returns_to_go = (
            None if discount is None else discounted_returns_to_go(dataset, discount)
        )
        self.windows = None if self.needs.window is None else Windows(dataset, self.needs.window)
        self.held_out = hold_out(dataset, self.needs.holdout)
        self.policy_actions = policy_actions
        self.bootstrap = None
        if self.needs.bootstrap:
            weights = bootstrap_weights(seeds, dataset.info.episodes, self.needs.bootstrap)
            self.bootstrap = weights.to(dataset.rows.device)
        self._keys = torch.tensor([random.key(seed, "batches") for seed in seeds])

    @property
    def num_selected(self) -> int:
        """Transitions that may be drawn."""
        return self.dataset.num_transitions if self.selection is None else len(self.selection)

    def batches(self, first: int, count: int) -> Batch:
        """Draw the batches of the updates first..first+count-1, axes (count, R, B, ...)."""
        device = self.dataset.rows.device
        updates = torch.arange(first, first + count, device=device)
        index = random.integers(self._keys.to(device), updates, self.batch_size, self.num_selected)
        if self.selection is not None:
            index = self.selection[index]
        if self.windows is not None:
            return self.windows.gather(index)
        batch = self.dataset.gather(index, self.needs.next_actions)
        if self.outcomes is not None:
            batch = batch._replace(outcomes=self.outcomes.draw(index, self.seeds, updates))
        if self.discounted_returns_to_go is not None:
            batch = batch._replace(discounted_returns_to_go=self.discounted_returns_to_go[index])
        if self.held_out is not None:
            batch = batch._replace(held_out=self.held_out[index])
        members = torch.arange(len(self.seeds), device=device)[:, None]
        if self.policy_actions is not None:
            policies = members * len(self.policy_actions) // len(members)
            following = self.policy_actions[policies, self.dataset.rows[index] + 1]
            batch = batch._replace(next_actions=following)
        if self.bootstrap is not None:
            weights = self.bootstrap[members, self.dataset.episodes[index]]
            batch = batch._replace(bootstrap=weights)
        return batch

    def _iterate(self) -> Iterator[Batch]:
        assert self.trainer is not None
        start = self.trainer.global_step
        stop = self.num_updates
        if self.epoch is not None:
            stop = min(stop, start - start % self.epoch + self.epoch)
        for first, count in cut(start, stop, self.chunk, self.boundaries):
            yield self.batches(first, count)

    def train_dataloader(self) -> _Chunks:
        """Serve chunks from the trainer's global step to the end of the epoch."""
        return _Chunks(self._iterate)
