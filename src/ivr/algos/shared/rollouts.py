"""The latest rollouts of a model: a fixed number of blocks, the oldest of which is overwritten."""

from typing import Any

import torch
from torch import Tensor

from ivr.types import Batch


class Rollouts:
    """Up to `blocks` blocks of N transitions of each run, all of one size."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.written = 0
        """Blocks so far."""
        self.columns: list[Tensor] = []
        """Of a batch's first five, (R, blocks, N, ...); zeros where nothing was written yet."""

    def write(self, block: Batch) -> None:
        """Keep one block, columns (R, N, ...)."""
        new = list(block[:5])
        if not self.columns:
            self.columns = [c.new_zeros(len(c), self.blocks, *c.shape[1:]) for c in new]
        for column, part in zip(self.columns, new, strict=True):
            column[:, self.written % self.blocks] = part
        self.written += 1

    def draw(self, uniform: Tensor) -> Batch:
        """One transition for each number in [0, 1), (R, B) to columns (R, B, ...)."""
        size = min(self.written, self.blocks) * self.columns[0].shape[2]
        index = (uniform * size).long().clamp(max=size - 1)
        run = torch.arange(len(index), device=index.device)[:, None]
        return Batch(*(column.flatten(1, 2)[run, index] for column in self.columns))

    def to(self, device: torch.device) -> None:
        """Move what was written."""
        self.columns = [column.to(device) for column in self.columns]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"written": self.written, "columns": self.columns}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        self.written, self.columns = state["written"], state["columns"]
