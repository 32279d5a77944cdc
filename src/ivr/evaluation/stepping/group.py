"""Groups environments that act and step together."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ivr.errors import UserError
from ivr.evaluation.stepping.acting import begin_episodes
from ivr.types import Policy


class EnvironmentGroup:
    """Keeps the state of R members with S environments each: row k * S + i is member k's i-th.

    Args:
        members: R.
        slots: S.
        observation_shape: of one observation, (O,).
        policy: acts for all members at once.
    """

    def __init__(
        self, members: int, slots: int, observation_shape: tuple[int, ...], policy: Policy
    ) -> None:
        self.shape = members, slots
        self._act = begin_episodes(policy, slots)
        self.waiting: list[Iterator[int]] = []
        """The episodes that are left, for each member."""
        self.numbers: Sequence[int] = ()
        """The environment of each row, in the pool."""
        self.active: dict[int, int] = {}  # row: episode
        self.observations = np.zeros((members * slots, *observation_shape), np.float32)
        self.rewards = np.zeros(members * slots, np.float32)  # of the latest step
        self.starts = np.zeros(members * slots, np.bool_)  # of an episode

    def act(self, device: torch.device | str) -> tuple[list[int], NDArray[np.float32]]:
        """Choose the actions of the active environments; returns their numbers and actions.

        Raises:
            UserError: an action is not finite.
        """
        # Rows without an episode act too, on what they saw last: one shape for the whole sweep.
        shown = (
            self.observations.reshape(*self.shape, -1),
            self.rewards.reshape(self.shape),
            self.starts.reshape(self.shape),
        )
        actions = self._act(*(torch.tensor(each, device=device) for each in shown)).cpu().numpy()
        self.starts[:] = False
        rows = list(self.active)
        taken: NDArray[np.float32] = actions.reshape(len(self.observations), -1)[rows]
        finite = np.isfinite(taken).all(1)
        if not finite.all():
            raise UserError(
                f"The policy of member {rows[int(np.argmin(finite))] // self.shape[1]} gives "
                "actions that are not finite: its training diverged. Lower the learning rates."
            )
        return [self.numbers[row] for row in rows], taken
