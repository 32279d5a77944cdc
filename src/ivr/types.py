"""The few shapes that rooms share.

Axes: R runs trained side by side, B transitions of a batch, O and A the sizes of an
observation and an action.
"""

from typing import NamedTuple, Protocol

from torch import Tensor


class Batch(NamedTuple):
    """Transitions (s, a, r, d, s'), all float32; any number of axes may lead."""

    observations: Tensor  # (R, B, O)
    actions: Tensor  # (R, B, A), scaled to [-1, 1]
    rewards: Tensor  # (R, B)
    terminated: Tensor  # (R, B), 1 where the task ended; a time limit is not an end
    next_observations: Tensor  # (R, B, O)


class Policy(Protocol):
    """All that an evaluation sees of an algorithm: R deterministic policies and their values."""

    def act(self, observations: Tensor) -> Tensor:
        """(R, N, O) raw observations to (R, N, A) actions inside the environment's bounds."""

    def state_value(self, observations: Tensor) -> Tensor | None:
        """(R, N, O) raw observations to V of shape (R, N); None where no V is learned."""
