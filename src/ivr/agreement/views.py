"""Which numbers of an observation the agent sees, in the data as in the environment."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError

Observations = Mapping[str, NDArray[np.floating]]
"""Arrays (..., n) by name; an observation that is no dictionary is the one entry "observation"."""

_GOAL_KEYS = {"observation", "achieved_goal", "desired_goal"}

VIEWS = ("d4rl", "goal_conditioned", "observation", "flat")


def check_view(view: str, keys: set[str], is_dict: bool, whose: str = "the data") -> None:
    """Check that a view fits the observations of the data or of an environment.

    Args:
        view: of VIEWS.
        keys: the entries that are vectors.
        is_dict: whether observations are dictionaries.
        whose: the data or the environment, for the message.

    Raises:
        UserError: no such view, or one that does not fit; the message names those that do.
    """
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
        raise UserError(
            f"dataset.view={view} does not fit {whose}: the observation is {kind}; {advice}."
        )


def view_keys(view: str, observations: Observations) -> tuple[str, ...]:
    """Name the entries that make up a view, in their order.

    d4rl: achieved_goal, observation; or observation alone where it begins with the achieved
    goal itself (PointMaze). goal_conditioned: the same and desired_goal. observation: that entry
    alone (Kitchen, whose goals are dictionaries). flat: the only entry.
    """
    keys: tuple[str, ...] = ("observation",)
    if view in ("d4rl", "goal_conditioned"):
        position = observations["achieved_goal"]
        if not np.array_equal(observations["observation"][..., : position.shape[-1]], position):
            keys = ("achieved_goal", *keys)
    return (*keys, "desired_goal") if view == "goal_conditioned" else keys


def join(keys: tuple[str, ...], observations: Observations) -> NDArray[np.float32]:
    """Join the named entries: (..., O) float32."""
    parts = [observations[key] for key in keys]
    return np.concatenate(parts, axis=-1, dtype=np.float32, casting="same_kind")
