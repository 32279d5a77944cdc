"""Reads metadata.json of a Minari dataset: how much it holds, and in which spaces."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError, printable

UNREADABLE_FILE = (
    OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError,
    MemoryError,
)  # fmt: skip
"""What the libraries raise at a file that is damaged."""

_LONGEST = 32 << 20
"""Bytes of metadata."""

_WIDEST = 1 << 20
"""Numbers of an observation or an action."""

_FORMATS = ("hdf5", "arrow", "parquet")
"""Minari's own."""

PER_STEP = ("actions", "rewards", "terminations", "truncations")
"""What an episode holds beside its observations, a row for each step."""


@dataclass(frozen=True)
class Metadata:
    """What metadata.json says, checked."""

    facts: dict[str, Any]
    """The file as it is."""
    id: str
    env_spec: str | None
    """The recorded Gymnasium EnvSpec, as JSON."""
    data_format: str
    """hdf5, arrow or parquet."""
    total_episodes: int
    total_steps: int
    is_dict: bool
    """Whether an observation is a dictionary; else its one entry is "observation"."""
    boxes: dict[str, tuple[int, ...]]
    """Shape of each entry of an observation that is a vector."""
    unread: tuple[str, ...]
    """Entries of an observation that are no vectors."""
    action_bounds: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Least and greatest actions, (A,) each."""


def read_metadata(path: Path) -> Metadata:
    """Read a file of metadata.

    Raises:
        UserError: it cannot be read, or its spaces are not supported.
    """
    try:
        facts: dict[str, Any] = json.loads(_text(path))
        name = printable(str(facts.get("dataset_id", path.parents[1].name)))
        space = json.loads(facts["observation_space"])
        action_space = json.loads(facts["action_space"])
        episodes, steps = _count(facts, "total_episodes"), _count(facts, "total_steps")
        data_format = facts.get("data_format", "hdf5")
        if data_format not in _FORMATS:
            raise ValueError(f"data_format is none of {', '.join(_FORMATS)}")
        is_dict = space["type"] == "Dict"
        spaces = space["subspaces"] if is_dict else {"observation": space}
        boxes = _boxes(name, spaces)
        return Metadata(
            facts=facts,
            id=name,
            env_spec=facts.get("env_spec"),
            data_format=data_format,
            total_episodes=episodes,
            total_steps=steps,
            is_dict=is_dict,
            boxes=boxes,
            unread=tuple(sorted(spaces.keys() - boxes.keys())),
            action_bounds=_action_bounds(name, action_space),
        )
    except UNREADABLE_FILE as error:
        raise UserError(
            f"{path} is not the metadata of a Minari dataset ({error!r}). Fetch the dataset anew, "
            "or pass another dataset.path."
        ) from error


def _text(path: Path) -> str:
    """Read a file of metadata; an image's bounds take 10 MB there, and nothing takes more."""
    if path.stat().st_size > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST:,} bytes")
    return path.read_text("utf-8")


def _count(facts: dict[str, Any], name: str) -> int:
    value = facts[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r:.80}; it should be a whole number from 0")
    return value


def _boxes(dataset: str, spaces: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """List the shapes of an observation's vectors by name."""
    boxes = {
        key: _shape(box)
        for key, box in spaces.items()
        if box["type"] == "Box" and len(box["shape"]) == 1
    }
    if not boxes:
        kinds = {key: (box["type"], box.get("shape")) for key, box in spaces.items()}
        raise UserError(
            f"{dataset}: only vectors (Box of one axis) are supported as observations, and "
            f"there is {kinds}."
        )
    return boxes


def _action_bounds(
    dataset: str, space: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if space["type"] != "Box" or len(space["shape"]) != 1:
        raise UserError(
            f"{dataset}: the action space is {space['type']}; only continuous vectors (Box "
            "of one axis) are supported."
        )
    shape = _shape(space)
    low = np.broadcast_to(np.array(space["low"], float), shape)
    high = np.broadcast_to(np.array(space["high"], float), shape)
    return low, high


def _shape(space: dict[str, Any]) -> tuple[int, ...]:
    shape = tuple(space["shape"])
    if not all(isinstance(size, int) and 0 < size <= _WIDEST for size in shape):
        raise ValueError(f"a space has the shape {shape}")
    return shape
