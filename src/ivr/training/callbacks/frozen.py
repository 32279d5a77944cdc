"""Keeps members of a stack as they were, while the others train on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm

_MOMENTS = ("exp_avg", "exp_avg_sq")


class MemberStates:
    """A copy of every member's weights and Adam moments, from which members are put back.

    Members never mix, so that it is enough to put back a member's part of each tensor after every
    chunk of updates: what the others compute, compiled or not, is the same to the last bit.

    Args:
        module: of R members.
        optimizers: of its networks.
    """

    def __init__(
        self, module: OfflineAlgorithm, optimizers: Sequence[torch.optim.Optimizer]
    ) -> None:
        self.module = module
        self.optimizers = optimizers
        self.kept: dict[str, Tensor] = {}
        self.keep()

    @torch.no_grad()
    def keep(self) -> None:
        """Copy all members as they are now."""
        found = self._tensors()
        if found.keys() == self.kept.keys():
            torch._foreach_copy_(list(self.kept.values()), list(found.values()))
        else:
            self.kept = {name: tensor.clone() for name, tensor in found.items()}

    @torch.no_grad()
    def keep_members(self, members: Sequence[int]) -> None:
        """Copy these members as they are now."""
        index = list(members)
        for name, tensor in self._tensors().items():
            kept = self.kept.setdefault(name, torch.zeros_like(tensor))
            kept[index] = tensor[index]

    @torch.no_grad()
    def put_back(self, members: Sequence[int]) -> None:
        """Give these members, among the tensors of now, what they were when last kept."""
        index = list(members)
        for name, tensor in self._tensors().items():
            # Adam begins with moments of 0.
            kept = self.kept.get(name)
            tensor[index] = torch.zeros_like(tensor[index]) if kept is None else kept[index]

    def _tensors(self) -> dict[str, Tensor]:
        found = {name: tensor.detach() for name, tensor in self.module.state_dict().items()}
        for i, optimizer in enumerate(self.optimizers):
            for j, state in enumerate(optimizer.state.values()):
                found |= {f"{i}/{j}/{name}": state[name] for name in _MOMENTS}
        return found
