"""What every episode of an evaluation gave, as result.json keeps it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.evaluation.rollout import Evaluation

Episodes = dict[str, list[Any]]
"""Lists of one entry an episode: seed, return, length, and what else is known of it."""


def episodes(
    result: Evaluation,
    values: NDArray[np.float64] | None = None,
    discounted: NDArray[np.float64] | None = None,
) -> list[Episodes]:
    """Make the lists of each member.

    Args:
        result: of the evaluation.
        values: (R, E), V at the first observation of each episode; None where no V is learned.
        discounted: (R, E), the return that came, in the units of V.
    """
    made: list[Episodes] = []
    for k in range(len(result.returns)):
        one: Episodes = {
            "seed": list(result.seeds),
            "return": result.returns[k].tolist(),
            "length": result.lengths[k].tolist(),
        }
        columns = {
            "success": result.successes,
            "tasks": result.completed,
            "cut_off": result.cut_off,
            "value": values,
            "discounted_return": discounted,
        }
        one |= {
            name: of_each[k].tolist() for name, of_each in columns.items() if of_each is not None
        }
        made.append(one)
    return made


def in_units_of_value(
    result: Evaluation, discount: float, scale: float, shift: float
) -> NDArray[np.float64] | None:
    """The discounted returns in the units of V, (R, E): of rewards scale x r + shift.

    Of the steps that there were: V goes on where time ended an episode, and this does not.
    """
    if result.discounted is None:
        return None
    lengths = result.lengths.astype(np.float64)
    steps = lengths if discount == 1 else (1 - discount**lengths) / (1 - discount)
    return np.asarray(scale * result.discounted + shift * steps)
