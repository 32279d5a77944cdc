"""The kinds of sources: one entry for each, and all that differs between them.

Nothing that reads data is imported before a source is opened: torch and HDF5 take seconds, and
whether the data are available is reported first.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.data.sources.d4rl.location import addresses, d4rl_root, locate_d4rl
from ivr.data.sources.d4rl.published import PUBLISHED, find_published
from ivr.data.sources.minari.location import datasets_root, hub, locate
from ivr.data.sources.source import Source
from ivr.data.sources.stand_ins import is_file
from ivr.data.spec import DataSpec, Paths
from ivr.errors import UserError


@dataclass(frozen=True)
class Kind:
    """What dataset.source can name."""

    publisher: str
    """Who made the data, in words."""
    open: Callable[[DataSpec, bool], Source]
    """Opens the data and, with True, shows the progress of fetching or making them."""
    find: Callable[[str], Path | None]
    """Where the data of an id lie on this machine; None where they do not."""
    check: Callable[[DataSpec], Any] | None = None
    """Raises a UserError where the data are neither on this machine nor to be fetched."""
    addresses: Callable[[str], tuple[str, ...]] = lambda dataset_id: ()
    """Where the data of an id are fetched from, in the order of trying; none for data that are
    made here, or one's own."""
    named_by: str = "dataset.path="
    """The key that names data without an id."""
    records_environment: bool = False
    """Whether the data usually say in which environment they were collected."""
    takes_bounds: bool = False
    """Whether dataset.action_low and dataset.action_high apply."""
    finds_bounds: bool = False
    """Whether bounds that neither are given nor an environment's are the least and the greatest
    action of the data."""
    environment_bounds: bool = False
    """Whether bounds that are not given are the environment's."""
    takes_columns: bool = False
    """Whether dataset.columns and dataset.missing apply."""
    takes_transitions: bool = False
    """Whether dataset.transitions applies."""


def _open_minari(spec: DataSpec, progress: bool) -> Source:
    from ivr.data.sources.minari.source import MinariSource

    folder = locate(spec.id, _folder(spec))
    source = MinariSource(
        folder, spec.action_low, spec.action_high, spec.read_terminals, spec.actions != "refuse"
    )
    if spec.id is not None and source.id != spec.id:
        warnings.warn(
            f"{source.place} holds {source.id}, and not {spec.id}: scores are not those of "
            f"{spec.name} as it was published.",
            stacklevel=2,
        )
    return source


def _open_d4rl(spec: DataSpec, progress: bool) -> Source:
    from ivr.data.sources.d4rl.compare import check_one_robot, unlike_published
    from ivr.data.sources.d4rl.source import D4RLSource

    _, record = find_published(spec.id)
    limit = (record and record.limit) or spec.max_episode_steps
    paths = locate_d4rl(spec.id, spec.path, progress)
    source = D4RLSource(paths, limit, published=True, terminals=spec.read_terminals)
    check_one_robot(paths)
    source.differs = unlike_published(spec.name, spec.id, paths, source.total_steps, d4rl_root())
    if source.differs and not spec.as_is:
        raise UserError(
            f"{spec.name} is a set that D4RL published, and this is another: {source.differs}. To "
            "train on it all the same, give dataset.as_is=true (scores then say so); or name it "
            "for what it is, with dataset=d4rl_hdf5 dataset.path=... dataset.env=..."
        )
    return source


def _open_hdf5(spec: DataSpec, progress: bool) -> Source:
    from ivr.data.sources.d4rl.source import D4RLSource

    paths = locate_d4rl(spec.id, spec.path, progress)
    return D4RLSource(
        paths,
        spec.max_episode_steps,
        terminals=spec.read_terminals,
        action_low=spec.action_low,
        action_high=spec.action_high,
        clip=spec.actions == "clip",
    )


def _open_generated(spec: DataSpec, progress: bool) -> Source:
    from ivr.data.generation.generated import ensure_generated
    from ivr.data.sources.d4rl.source import D4RLSource
    from ivr.data.sources.minari.source import MinariSource

    path = spec.path or ensure_generated(spec.name, spec.transitions, progress, spec.body)
    if is_file(spec.name, spec.body):
        paths = locate_d4rl(None, path, progress)
        # Random actions are recorded with the next observations; D4RL's AntMaze is not.
        published = spec.body is not None
        return D4RLSource(paths, spec.max_episode_steps, published, spec.read_terminals)
    return MinariSource(locate(None, _folder(spec, path)), terminals=spec.read_terminals)


def _find_arrays(spec: DataSpec) -> list[Path]:
    from ivr.data.sources.arrays.files import find_arrays

    return find_arrays(spec.path)


def _open_arrays(spec: DataSpec, progress: bool) -> Source:
    from ivr.data.sources.arrays.source import ArraysSource

    return ArraysSource(
        _find_arrays(spec),
        spec.action_low,
        spec.action_high,
        spec.read_terminals,
        spec.read_columns,
        spec.actions == "clip",
        spec.missing,
    )


def _folder(spec: DataSpec, path: Paths = None) -> str | Path | None:
    path = spec.path if path is None else path
    if not isinstance(path, str | Path | None):
        raise UserError(f"dataset.path={path}: dataset.source={spec.source} takes one folder.")
    return path


def _find_minari(dataset_id: str) -> Path | None:
    folder = datasets_root() / dataset_id
    return folder if (folder / "data" / "metadata.json").is_file() else None


def _find_d4rl(dataset_id: str) -> Path | None:
    file = d4rl_root() / Path(dataset_id).name
    return file if file.is_file() else None


def _check_d4rl(spec: DataSpec) -> None:
    if (
        spec.source == "d4rl"
        and spec.path is None
        and (spec.id or "").startswith(("ivr/", "D4RL/"))
    ):
        raise UserError(
            f"dataset.source=d4rl: D4RL publishes no {spec.name}. It publishes "
            f"{', '.join(PUBLISHED)}."
        )
    locate_d4rl(spec.id, spec.path, download=False)


def _find_generated(dataset_id: str) -> Path | None:
    # Whole or absent, see `generated`.
    folders = (root / dataset_id for root in (datasets_root(), d4rl_root()))
    return next((folder for folder in folders if folder.is_dir()), None)


KINDS = {
    "minari": Kind(
        "Minari",
        open=_open_minari,
        find=_find_minari,
        check=lambda spec: locate(spec.id, _folder(spec), download=False),
        addresses=lambda dataset_id: (hub(),),
        named_by="dataset.id=",
        records_environment=True,
        takes_bounds=True,
    ),
    "d4rl": Kind("D4RL", open=_open_d4rl, find=_find_d4rl, check=_check_d4rl, addresses=addresses),
    "d4rl_hdf5": Kind(
        "D4RL's format",
        open=_open_hdf5,
        find=_find_d4rl,
        check=_check_d4rl,
        addresses=addresses,
        takes_bounds=True,
        environment_bounds=True,
    ),
    "generated": Kind(
        "made by ivr, not D4RL", open=_open_generated, find=_find_generated, takes_transitions=True
    ),
    "arrays": Kind(
        "one's own",
        open=_open_arrays,
        find=lambda dataset_id: None,
        check=_find_arrays,
        takes_bounds=True,
        finds_bounds=True,
        environment_bounds=True,
        takes_columns=True,
    ),
}
"""What dataset.source can be."""
