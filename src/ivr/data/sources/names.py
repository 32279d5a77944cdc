"""Recognises the columns that are read under the names that others give them."""

import difflib
import re
from collections.abc import Iterable

_TERMINAL = ("terminated", "terminals", "terminal", "terminations", "is_terminal", "dones", "done")
_TIMEOUT = ("truncated", "timeouts", "timeout", "truncations", "truncateds")
_USUAL = {
    "observations": ("observation", "obs", "states", "state", "features"),
    "actions": ("action", "acts", "act", "controls", "control"),
    "rewards": ("reward", "rews", "rew"),
    "next_observations": ("next_observation", "next_obs", "obs_next", "next_states", "next_state"),
    "terminated": _TERMINAL,
    "terminals": _TERMINAL,
    "truncated": _TIMEOUT,
    "timeouts": _TIMEOUT,
    "episode": (
        "episodes",
        "episode_id",
        "episode_number",
        "trajectory",
        "trajectory_id",
        "traj_id",
        "run",
        "run_id",
    ),
}


def renamed(missing: Iterable[str], others: Iterable[str]) -> str:
    """Advise to rename the other columns that are usually those that are missing.

    Returns:
        Sentences, each after a space; "" where no column is recognised.
    """
    said = ""
    for other in others:
        plain = other.strip().lower()
        for name in missing:
            if plain == name or plain in _USUAL[name]:
                said += f" Rename {other!r} to {name}"
                said += _DONE if plain in ("dones", "done") else "."
    return said


def meant(missing: Iterable[str], others: Iterable[str]) -> str:
    """Advise how to say which of the other columns are those that are missing.

    Returns:
        Sentences; where no column is recognised, what dataset.columns takes.
    """
    missing, others = list(missing), list(others)
    said = []
    for name in missing:
        role = "reward" if name == "rewards" else name
        near = [other for other in others if other.strip().lower() in (name, *_USUAL[name])]
        near = near or difflib.get_close_matches(name, others, n=1, cutoff=0.8)
        if near:
            done = _DONE if near[0].strip().lower() in ("dones", "done") else "?"
            said.append(f"Did you mean dataset.columns.{role}={_quoted(near[0])}{done}")
    return " ".join(said) or (
        "Say which column is what: 'dataset.columns.observations=[...]' "
        "'dataset.columns.actions=[...]' dataset.columns.reward=... dataset.columns.episode=... "
        "(conf/dataset/arrays.yaml)."
    )


def _quoted(name: str) -> str:
    """Write a name as a shell and Hydra take it, where it is not a plain word."""
    return name if re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII) else f"\"'{name}'\""


_DONE = ", if the task itself ended there; a limit of time is another column."
