"""What the algorithms' own critics say of their policies; None for those without one."""

import torch
from torch import Tensor

from ivr.data.dataset import OfflineDataset
from ivr.data.transforms.selection import select
from ivr.selection.candidates import PolicySet
from ivr.selection.critics import sample
from ivr.types import Needs


def own_values(policies: PolicySet, starts: Tensor, actions: Tensor) -> list[float | None]:
    """The mean of Q(s_0, pi(s_0)) over initial states (N, O), for actions (P, N, A): P numbers."""
    found: list[float | None] = []
    parts = torch.split(actions, [len(group.candidates) for group in policies.groups])
    for group, taken in zip(policies.groups, parts, strict=True):
        own = group.own_value(starts, taken)
        found += [None] * len(taken) if own is None else own.double().mean(1).tolist()
    return found


def own_td_errors(policies: PolicySet, held_out: OfflineDataset) -> list[float | None]:
    """The root of the mean squared TD error on recorded rewards: P numbers."""
    chosen = select(held_out, Needs(next_actions=True))
    index = sample(held_out)
    if chosen is not None:
        index = index[torch.isin(index, chosen)]
    batch = held_out.gather(index, next_actions=True)
    found: list[float | None] = []
    for group in policies.groups:
        own = group.own_td_error(batch)
        found += [None] * len(group.candidates) if own is None else own.tolist()
    return found
