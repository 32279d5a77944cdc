"""Serves consecutive steps of an episode, for policies that look back."""

import torch
from torch import Tensor

from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError
from ivr.types import Batch


class Windows:
    """Gathers windows of K steps that begin at a transition and stop at its episode's end.

    Drawing the first transition evenly draws episodes by their length and then their steps evenly,
    as the released code of Chen et al. (NeurIPS 2021) does. What is missing past the end is
    filled up with the episode's last transition, behind the steps that there are: a causal
    model does not see it.

    Raises:
        UserError: for a length below 1.
    """

    def __init__(self, dataset: OfflineDataset, length: int) -> None:
        if length < 1:
            raise UserError(f"algo.context={length}: a window has at least 1 step")
        self._dataset = dataset
        self._offsets = torch.arange(length, device=dataset.rows.device)
        self._returns_to_go = dataset.returns_to_go.float()

    def gather(self, first: Tensor) -> Batch:
        """Gather the windows that begin at the transitions `first` (...): axes (..., K)."""
        data = self._dataset
        wanted = first[..., None] + self._offsets
        index = wanted.minimum(data.ends[first][..., None])
        return data.gather(index)._replace(
            returns_to_go=self._returns_to_go[index],
            timesteps=data.steps[index],
            mask=(wanted == index).float(),
        )
