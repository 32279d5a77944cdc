"""Reads an episode of a Minari dataset out of its HDF5 file.

Minari's own reader decodes every info as well, which takes several times as long.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ivr.data.sources.columns import QPOS, QVEL
from ivr.data.sources.hdf5 import claimed_bytes, open_hdf5, own_entry
from ivr.data.sources.limits import check_claim
from ivr.data.sources.minari.metadata import PER_STEP, Metadata
from ivr.data.sources.source import Episode, States


def read_hdf5(file: Any, metadata: Metadata, number: int) -> Episode:
    """Read the episode of a number out of an open file."""
    episode = own_entry(file, f"episode_{number}")
    seen = [own_entry(episode, "observations")]
    if metadata.is_dict:
        seen = [own_entry(seen[0], key) for key in metadata.boxes]
    stored = [*seen, *(own_entry(episode, name) for name in PER_STEP)]
    check_claim(Path(file.filename), claimed_bytes(stored))
    read = [one[()] for one in stored]
    return Episode(dict(zip(metadata.boxes, read, strict=False)), *read[len(seen) :])


def recorded_states(path: Path, number: int) -> States | None:
    """Read MuJoCo's states of an episode, one for each observation; None without any."""
    with open_hdf5(path) as file:
        try:
            stored = [own_entry(file, f"episode_{number}/{name}") for name in (QPOS, QVEL)]
        except KeyError:
            return None
        check_claim(path, claimed_bytes(stored))
        states = States(*(one[()] for one in stored))
    fit = all(np.ndim(part) == 2 and part.dtype.kind == "f" for part in states)
    return states if fit else None
