"""Measures what observations are normalised by."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError

_CHUNK = 1 << 18
SMALLEST = 1e-12
"""An epsilon that is no number beside the deviations of data in any unit."""
_ROUNDING = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Standard:
    """`normalize=standard`: (s - mean) / (std + epsilon), as TD3+BC (Fujimoto & Gu, 2021) does it.

    The algorithm applies it (`OfflineAlgorithm`), so that its policies act on raw observations.

    Raises:
        UserError: an epsilon of 0 or less.
    """

    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        if self.epsilon <= 0:
            raise UserError(f"normalize.epsilon={self.epsilon}: must be above 0, as in 1e-3")

    def fit(self, dataset: OfflineDataset, selection: Tensor | None) -> dict[str, list[float]]:
        """Measure the mean and std + epsilon of each dimension, O numbers each, by keyword.

        A dimension that is constant up to the rounding of float32 gets scale 1: divided by epsilon,
        any small error in it would be magnified a million times.

        Over the observations s of the transitions at `selection`; None for all. In float64 and a
        part at a time, as the data may be larger than the memory.
        """

        def parts() -> Iterator[Tensor]:
            rows = dataset.rows if selection is None else dataset.rows[selection]
            for chunk in torch.split(rows, _CHUNK):
                yield dataset.observations[chunk].double()

        count = dataset.num_transitions if selection is None else len(selection)
        mean = torch.stack([part.sum(0) for part in parts()]).sum(0) / count
        squares = torch.stack([(part - mean).square().sum(0) for part in parts()]).sum(0)
        std = (squares / count).sqrt()
        constant = std <= _ROUNDING * mean.abs()
        scale = torch.where(constant, 1.0, std + self.epsilon)
        # As float32, so that the last bits of a sum do not depend on the machine.
        return {
            "input_mean": mean.float().tolist(),
            "input_scale": scale.float().tolist(),
        }
