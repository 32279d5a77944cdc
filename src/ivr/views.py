"""Which numbers of a recorded observation the agent sees."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError

Observations = Mapping[str, NDArray[np.floating]]
"""Arrays (T + 1, ...) by name; a Box observation is the one entry "observation"."""

_GOAL_KEYS = {"observation", "achieved_goal", "desired_goal"}

VIEWS = ("d4rl", "goal_conditioned", "observation", "flat")


def check_view(view: str, keys: set[str], is_dict: bool) -> None:
    """Raise a UserError, naming the views that fit, where `view` does not fit the space."""
    if view not in VIEWS:
        raise UserError(f"dataset.view={view}: there is {', '.join(VIEWS)}.")
    if not is_dict:
        fitting = ["flat"]
    else:
        fitting = ["d4rl", "goal_conditioned"] if keys >= _GOAL_KEYS else []
        fitting += ["observation"] if "observation" in keys else []
    if view not in fitting:
        kind = f"a Dict with the vectors {', '.join(sorted(keys))}" if is_dict else "a Box"
        advice = f"use dataset.view={' or '.join(fitting)}" if fitting else "no view fits it"
        raise UserError(f"dataset.view={view} does not fit: the observation is {kind}; {advice}.")


def apply_view(view: str, observations: Observations) -> NDArray[np.float32]:
    """(T + 1, O) float32 in the order that the evaluation's observations have.

    d4rl: achieved_goal, observation; or observation alone where it begins with the achieved
    goal itself (PointMaze). goal_conditioned: the same and desired_goal. observation: that entry
    alone (Kitchen, whose goals are dictionaries). flat: as it is.
    """
    parts = [observations["observation"]]
    if view in ("d4rl", "goal_conditioned"):
        position = observations["achieved_goal"]
        if not np.array_equal(parts[0][:, : position.shape[1]], position):
            parts.insert(0, position)
    if view == "goal_conditioned":
        parts.append(observations["desired_goal"])
    return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")
