"""What methods share that push Q down at actions which a policy may take (Kumar et al., 2020)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ivr.algos.engine.noise import Noise
from ivr.types import Batch


class Draws(NamedTuple):
    """Random numbers of one step of the critic, (R, M, B, A) each."""

    even: Tensor
    """Uniform in [-1, 1): actions themselves."""
    here: Tensor
    """Standard normal, for actions of the policy at s."""
    there: Tensor
    """Standard normal, for actions of the policy at s'."""
    target: Tensor
    """Standard normal, for the target's; M is 1 without `max_target`."""


def draw(noise: Noise, batch: Batch, proposals: int, targets: int = 1) -> Draws:
    """Draw the randomness of one step of the critic: `targets` is the M of the target's."""
    one = batch.actions[:, None]
    many = one.expand(-1, proposals, -1, -1)
    return Draws(
        even=noise.uniform("proposals/even", many),
        here=noise.normal("proposals/here", many),
        there=noise.normal("proposals/there", many),
        target=noise.normal("target", one.expand(-1, targets, -1, -1)),
    )


@torch.no_grad()
def propose(
    sample: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], batch: Batch, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Propose the actions at which Q is compared with the data's.

    Args:
        sample: of a policy, (R, B, O) states and (R, M, B, A) noise to actions and log-densities.
        batch: its states.
        draws: M of each kind.

    Returns:
        Actions a_j (R, 3M, B, A) even, at s and at s', and log p(a_j) (R, 3M, B).
    """
    here, log_here = sample(batch.observations, draws.here)
    there, log_there = sample(batch.next_observations, draws.there)
    # An even density on [-1, 1]^A is 2^-A.
    log_even = torch.full_like(log_here, -draws.even.shape[-1] * math.log(2))
    return torch.cat((draws.even, here, there), 1), torch.cat((log_even, log_here, log_there), 1)


def of_each(critic: torch.nn.Module, observations: Tensor, actions: Tensor) -> Tensor:
    """Q of M actions a state: (R, B, O) and (R, M, B, A) to (R, K, M, B)."""
    repeated = observations[:, None].expand(-1, actions.shape[1], -1, -1)
    values: Tensor = critic(repeated.flatten(1, 2), actions.flatten(1, 2))
    return values.view(*values.shape[:2], *actions.shape[1:3])
