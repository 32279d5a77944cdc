"""Which numbers of an observation the agent sees, in the data as in the environment."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError

Observations = Mapping[str, NDArray[np.floating]]
"""Arrays (..., n) by name; an observation that is no dictionary is the one entry "observation"."""

_GOAL_KEYS = {"observation", "achieved_goal", "desired_goal"}

VIEWS = ("d4rl", "goal_conditioned", "observation", "flat")

View = str | Sequence[str]
"""One of VIEWS, or the names of the entries of a dictionary, which are joined in that order."""


def check_view(view: View, keys: set[str], is_dict: bool, whose: str = "the data") -> None:
    """Check that a view fits the observations of the data or of an environment.

    Args:
        view: see `View`.
        keys: the entries that are vectors.
        is_dict: whether observations are dictionaries.
        whose: the data or the environment, for the message.

    Raises:
        UserError: no such view, or one that does not fit; the message names those that do.
    """
    if isinstance(view, str) and view not in VIEWS:
        raise UserError(
            f"dataset.view={view}: there is {', '.join(VIEWS)}, or the names of entries, as in "
            "'dataset.view=[position,velocity]'."
        )
    if not is_dict:
        fitting = ["flat"]
    else:
        fitting = ["d4rl", "goal_conditioned"] if keys >= _GOAL_KEYS else []
        fitting += ["observation"] if "observation" in keys else []
    fits = view in fitting if isinstance(view, str) else _names(view, keys) and is_dict
    if not fits:
        kind = f"a Dict with the vectors {', '.join(sorted(keys))}" if is_dict else "a Box"
        advice = [f"use dataset.view={' or '.join(fitting)}"] if fitting else []
        if is_dict and keys and not keys <= _GOAL_KEYS:
            named = ",".join(sorted(keys))
            advice.append(f"name those to join, each once, as in 'dataset.view=[{named}]'")
        raise UserError(
            f"dataset.view={_shown(view)} does not fit {whose}: the observation is {kind}; "
            f"{', or '.join(advice) or 'no view fits it'}."
        )


def _names(view: Sequence[str], keys: set[str]) -> bool:
    return 0 < len(view) == len(set(view)) and set(view) <= keys


def _shown(view: View) -> str:
    return view if isinstance(view, str) else f"[{','.join(view)}]"


def flattened(view: View, entries: Sequence[str], is_dict: bool) -> View:
    """Name all entries of a dictionary, in the order in which they are recorded, for view=flat.

    Not where goals are among them: what becomes of those is to be said.
    """
    if view == "flat" and is_dict and not set(entries) >= _GOAL_KEYS:
        return list(entries)
    return view


def left_out(view: View, entries: Collection[str]) -> str:
    """Warn of the entries of an observation that a view leaves out; "" where there are none.

    Not of goals, unless the entries are named one by one: the other views say what becomes of them.
    """
    seen = _GOAL_KEYS if isinstance(view, str) else set(view)
    others = sorted(set(entries) - seen)
    if not others:
        return ""
    return (
        f"entries of an observation that are not read: {', '.join(others)} "
        f"(dataset.view={_shown(view)})."
    )


def view_keys(view: View, observations: Observations) -> tuple[str, ...]:
    """Name the entries that make up a view, in their order.

    d4rl: achieved_goal, observation; or observation alone where it begins with the achieved
    goal itself (PointMaze). goal_conditioned: the same and desired_goal. observation: that entry
    alone (Kitchen, whose goals are dictionaries). flat: the only entry (of a dictionary it becomes
    the names of all, see `flattened`). Names: these entries.
    """
    if not isinstance(view, str):
        return tuple(view)
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
