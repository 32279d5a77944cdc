"""Recognises the columns that are read under the names that others give them."""

from collections.abc import Iterable

_TERMINAL = ("terminated", "terminals", "terminal", "terminations", "is_terminal", "dones", "done")
_TIMEOUT = ("truncated", "timeouts", "timeout", "truncations", "truncateds")
_USUAL = {
    "observations": ("observation", "obs", "states", "state"),
    "actions": ("action", "acts", "act"),
    "rewards": ("reward", "rews", "rew"),
    "next_observations": ("next_observation", "next_obs", "obs_next", "next_states", "next_state"),
    "terminated": _TERMINAL,
    "terminals": _TERMINAL,
    "truncated": _TIMEOUT,
    "timeouts": _TIMEOUT,
    "episode": ("episodes", "episode_id", "episode_number", "trajectory", "trajectory_id"),
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


_DONE = ", if the task itself ended there; a limit of time is another column."
