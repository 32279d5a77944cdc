"""Recomputes rewards and ends for a goal.

Minari's maze data come from environments that go on after a success. D4RL's protocol, in which
a success gives reward 1 and ends the episode, is restored here from the recorded positions.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.mazes import SUCCESS_RADIUS


class Relabelled(NamedTuple):
    """How many transitions of an episode are kept, and their new labels."""

    steps: int
    rewards: NDArray[np.float32]  # (steps,)
    terminated: NDArray[np.bool_]  # (steps,)


def relabel(positions: NDArray[np.floating], goals: NDArray[np.floating]) -> Relabelled:
    """Give reward 1 and end the episode where the goal is first reached; give 0 elsewhere.

    Transition t succeeds when the position *after* it lies within SUCCESS_RADIUS of the goal, as
    the environment of the evaluation judges it. Steps after the first success are cut.

    Args:
        positions: (T + 1, 2) achieved goals, metres.
        goals: (2,) or (T + 1, 2), the goal that holds at each observation.
    """
    reached = np.linalg.norm(positions - goals, axis=-1)[1:] <= SUCCESS_RADIUS
    steps = int(np.argmax(reached)) + 1 if reached.any() else len(reached)
    return Relabelled(steps, reached[:steps].astype(np.float32), reached[:steps])
