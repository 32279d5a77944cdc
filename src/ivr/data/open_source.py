"""The source that a dataset's keys name."""

from collections.abc import Sequence
from pathlib import Path

from ivr.data.generation.generated import ensure_generated
from ivr.data.sources.arrays.files import find_arrays
from ivr.data.sources.arrays.source import ArraysSource, Bound
from ivr.data.sources.d4rl.location import locate_d4rl
from ivr.data.sources.d4rl.source import D4RLSource
from ivr.data.sources.minari.location import locate
from ivr.data.sources.minari.source import MinariSource
from ivr.data.sources.source import Source
from ivr.data.sources.stand_ins import RANDOM
from ivr.errors import UserError

SOURCES = ("minari", "d4rl_hdf5", "generated", "arrays")

Paths = str | Path | Sequence[str] | None


def open_source(
    source: str,
    name: str,
    dataset_id: str | None,
    path: Paths,
    *,
    transitions: int | None,
    limit: int | None,
    action_low: Bound,
    action_high: Bound,
    progress: bool,
) -> Source:
    """Open the data; a published set that is not on this machine is downloaded, one of ours made.

    The arguments are the dataset's keys of `load_dataset`; `limit` is max_episode_steps.

    Raises:
        UserError: a value that is not allowed, or data that are missing.
    """
    if source not in SOURCES:
        raise UserError(f"dataset.source={source}: there is {', '.join(SOURCES)}.")
    if source == "arrays":
        return ArraysSource(find_arrays(path), action_low, action_high)
    if (action_low, action_high) != (None, None):
        raise UserError(
            f"dataset.action_low={action_low} and dataset.action_high={action_high}: "
            f"dataset.source={source} has bounds of its own; leave both out."
        )
    if source == "generated":
        return _generated(name, path, transitions, limit, progress)
    if transitions is not None:
        raise UserError(
            f"dataset.transitions={transitions}: only data that are made here have a size to "
            f"choose, with dataset.source=generated; dataset.source={source} is taken as it is."
        )
    if source == "d4rl_hdf5":
        return D4RLSource(locate_d4rl(dataset_id, path, progress), limit)
    return MinariSource(locate(dataset_id, _one(source, path)))


def _generated(
    name: str, path: Paths, transitions: int | None, limit: int | None, progress: bool
) -> Source:
    if path is None:
        path = ensure_generated(name, transitions, progress)
    if name in RANDOM:
        return D4RLSource(locate_d4rl(None, path, progress), limit)
    return MinariSource(locate(None, _one("generated", path)))


def _one(source: str, path: Paths) -> str | Path | None:
    if not isinstance(path, str | Path | None):
        raise UserError(f"dataset.path={path}: dataset.source={source} takes one folder.")
    return path
