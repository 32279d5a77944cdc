"""Says where trained policies do nothing but what their bounds allow."""

from collections.abc import Sequence

import torch

from ivr.agreement.names import called
from ivr.algos.engine.base import OfflineAlgorithm
from ivr.types import Batch

_EDGE = 0.999
"""A scaled action counts as at its bound from here on."""
_MOST, _MORE = 0.5, 0.25
"""Shares of actions at a bound: that is said of, and more than the data's own."""


@torch.no_grad()
def at_bounds(
    algorithm: OfflineAlgorithm, batch: Batch, names: Sequence[str], labels: Sequence[str]
) -> list[str]:
    """Say which policies act at their bounds in more than half of the data's states.

    A policy that learned nothing from its inputs often does: its tanh is saturated.

    Args:
        algorithm: R policies.
        batch: of the data (N, ...), on any device.
        names: of the numbers of an action, or none.
        labels: of the R members.
    """
    observations = batch.observations.to(next(algorithm.parameters()))
    actions = algorithm.act(observations.expand(algorithm.runs, *observations.shape))
    low, high = algorithm.action_low, algorithm.action_high
    scaled = 2 * (actions - low) / (high - low) - 1
    shares = (scaled.abs() > _EDGE).double().mean(1)  # (R, A)
    own = (batch.actions.abs() > _EDGE).double().mean(0).to(shares)  # (A,)
    said = []
    for label, share in zip(labels, shares, strict=True):
        numbers = ((share > _MOST) & (share > own + _MORE)).nonzero().flatten().tolist()
        if numbers:
            each = ", ".join(
                f"{called(names, 'action', i)} in {share[i]:.0%} (the data {own[i]:.0%})"
                for i in numbers[:6]
            )
            said.append(f"the policy of {label} acts at its bounds on most of the data: {each}")
    return said
