"""What updates report, and its sums: one tensor an update, however many metrics there are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Record(NamedTuple):
    """The metrics of one update."""

    names: tuple[str, ...]
    values: Tensor  # (M, R), in the order of the names
    histograms: dict[str, Tensor]  # each (R, B)

    @classmethod
    def of(cls, metrics: dict[str, Tensor]) -> "Record":
        """From metrics (R,) by name; those named histogram/... stay as they are."""
        histograms = {k: v for k, v in metrics.items() if k.startswith("histogram/")}
        scalars = {k: v for k, v in metrics.items() if k not in histograms}
        return cls(tuple(scalars), torch.stack(list(scalars.values())), histograms)

    @property
    def metrics(self) -> dict[str, Tensor]:
        """By name again."""
        return dict(zip(self.names, self.values, strict=True)) | self.histograms


class Sums:
    """Sums of metrics over updates, in the order of the updates, so that they resume exactly."""

    def __init__(self, state: Sequence[Sequence[Any]] = ()) -> None:
        """From what `state` gave."""
        # Updates differ in what they report, where some networks step more seldom.
        self._totals = {tuple(names): (total, int(count)) for names, total, count in state}

    def add(self, record: Record) -> None:
        """Add one update."""
        total, count = self._totals.get(record.names, (torch.zeros_like(record.values), 0))
        self._totals[record.names] = total.add_(record.values), count + 1

    def means(self) -> dict[str, Tensor]:
        """The mean (R,) of each metric over the updates that reported it."""
        sums: dict[str, tuple[Tensor, int]] = {}
        for names, (total, count) in self._totals.items():
            for name, value in zip(names, total, strict=True):
                before, n = sums.get(name, (torch.zeros_like(value), 0))
                sums[name] = before + value, n + count
        return {name: total / count for name, (total, count) in sums.items()}

    def state(self) -> list[list[Any]]:
        """Plain types and tensors, for a checkpoint."""
        return [[list(names), total.clone(), n] for names, (total, n) in self._totals.items()]

    def to(self, device: torch.device) -> None:
        """Move the sums; a checkpoint is read onto the CPU."""
        self._totals = {k: (total.to(device), n) for k, (total, n) in self._totals.items()}
