"""Compares replayed transitions with the recorded ones.

A body, a clock or a frame of another kind shows at once; an error of float32 rounding says that
policies are scored in the environment that the data came from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.environments.replay import Floats

EXACT = 1e-3
"""Standard deviations within which an environment repeats a transition of its own.

Rounding to float32 costs 2e-5, a tenth more torque or time 0.08 and more. Where records were
rounded more coarsely an environment errs by more where a contact begins or ends, however right it
is: twice what their rounding does to that very transition (`rounding`) is allowed on top.
"""

UNEXPLAINED = 0.05
"""Share of transitions that an environment may repeat less well and still be the data's own.

Of AntMaze's transitions, rounded to 12 or 13 bits, the environment itself leaves up to 0.023; with
1 % more torque, a tenth more friction or softer contacts it leaves 0.5 and more. Walker2d's version
4 leaves 0.3 of version 5's.
"""

CLOSE = (0.01, 0.1)
"""Standard deviations within which half, and 99 %, of the transitions of a like environment are.

With MuJoCo's other solvers and with fewer iterations, D4RL's Ant stays within 5e-6 and 0.03. With
1 % more torque or mass, a tenth more friction or softer contacts it is beyond one of the two, and
so is Walker2d with the other friction of version 5.
"""


@dataclass(frozen=True)
class ReplayError:
    """One-step errors of observations over some transitions; absolute values.

    Triples are the median, the 99th percentile and the largest. A deviation is the standard
    deviation of an observation's number in the data, or 1 unit where that is 0.
    """

    transitions: int
    overall: tuple[float, float, float]
    """Of the transition's worst number, in deviations."""
    units: tuple[tuple[float, float, float], ...]
    """One triple a number of the observation, in its own unit."""
    deviations: tuple[tuple[float, float, float], ...]
    """The same in deviations."""
    unexplained: float
    """Share of the transitions that are off by more than EXACT and their rounding."""

    @property
    def exact(self) -> bool:
        """Whether the environment repeats the data, up to UNEXPLAINED of them."""
        return self.unexplained <= UNEXPLAINED

    @property
    def close(self) -> bool:
        """Whether the environment is like that of the data, within CLOSE."""
        return self.overall[0] <= CLOSE[0] and self.overall[1] <= CLOSE[1]


def replay_error(
    replayed: Floats,
    recorded: NDArray[np.floating],
    deviation: NDArray[np.floating] | None = None,
    rounded: Floats | None = None,
) -> ReplayError:
    """Compare replayed next observations (N, O) with the recorded ones.

    Args:
        replayed: by `replay`.
        recorded: (N, O).
        deviation: (O,) of all data; by default that of `recorded`.
        rounded: by `rounding`.
    """
    recorded = np.asarray(recorded, dtype=np.float64)
    scale = recorded.std(axis=0) if deviation is None else np.asarray(deviation, dtype=np.float64)
    scale = np.where(scale > 1e-6, scale, 1.0)
    error = np.abs(replayed - recorded)
    worst = (error / scale).max(axis=1)
    allowed = EXACT + (0 if rounded is None else 2 * (rounded / scale).max(axis=1))
    return ReplayError(
        len(error),
        _triple(worst),
        tuple(_triple(column) for column in error.T),
        tuple(_triple(column) for column in (error / scale).T),
        float(np.mean(~(worst <= allowed))),
    )


def _triple(values: Floats) -> tuple[float, float, float]:
    median, most, largest = np.quantile(values, (0.5, 0.99, 1.0))
    return float(median), float(most), float(largest)
