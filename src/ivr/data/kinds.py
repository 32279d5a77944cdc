"""The kinds of sources: one entry for each, and all that differs between them.

Nothing that reads data is imported before a source is opened: torch and HDF5 take seconds, and
whether the data are available is reported first.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ivr.data.sources.d4rl.location import addresses, d4rl_root, locate_d4rl
from ivr.data.sources.d4rl.published import PUBLISHED, find_published
from ivr.data.sources.minari.location import datasets_root, hub, locate
from ivr.data.sources.source import Source
from ivr.data.sources.stand_ins import identity, is_file
from ivr.data.spec import DataSpec, Paths
from ivr.errors import UserError
from ivr.progress import shown


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


def open_source(spec: DataSpec, progress: bool = True) -> Source:
    """Open the data; a published set that is not on this machine is downloaded, one of ours made.

    Raises:
        UserError: a value that is not allowed, or data that are missing.
    """
    kind = KINDS.get(spec.source)
    if kind is None:
        raise UserError(f"dataset.source={spec.source}: there is {', '.join(KINDS)}.")
    if not kind.takes_bounds and (spec.action_low, spec.action_high) != (None, None):
        given = {"action_low": spec.action_low, "action_high": spec.action_high}
        named = [f"dataset.{key}={value}" for key, value in given.items() if value is not None]
        raise UserError(
            f"{' and '.join(named)}: dataset.source={spec.source} has bounds of its own; leave "
            f"{'both' if len(named) > 1 else 'it'} out."
        )
    if spec.actions is not None and not kind.takes_bounds:
        raise UserError(
            f"dataset.actions={spec.actions}: dataset.source={spec.source} has a rule of its own; "
            "leave it out."
        )
    if not kind.takes_columns and (spec.read_columns.given or spec.missing != "refuse"):
        raise UserError(
            "dataset.columns and dataset.missing are for tables of one's own, with "
            f"dataset.source=arrays; dataset.source={spec.source} has a format of its own."
        )
    if not kind.takes_transitions and spec.transitions is not None:
        raise UserError(
            f"dataset.transitions={spec.transitions}: only data that are made here have a size to "
            f"choose, with dataset.source=generated; dataset.source={spec.source} is taken as it "
            "is."
        )
    if spec.body is not None and spec.source != "generated":
        raise UserError(
            f"dataset.body={spec.body}: only data that are made here have a body to choose, with "
            f"dataset.source=generated; dataset.source={spec.source} has its own."
        )
    return kind.open(spec, progress and shown())


def within(
    spec: DataSpec, bounds: Callable[[], tuple[Sequence[float], Sequence[float]] | None]
) -> DataSpec:
    """Take the environment's bounds of actions where the source has none and none are given.

    Args:
        spec: which data.
        bounds: finds least and greatest actions, (A,) each; None where there is no environment.
    """
    kind = KINDS.get(spec.source)
    missing = [key for key in ("action_low", "action_high") if getattr(spec, key) is None]
    found = bounds() if kind is not None and kind.environment_bounds and missing else None
    if found is None:
        return spec
    own: dict[str, Any] = dict(zip(("action_low", "action_high"), found, strict=True))
    return replace(spec, **{key: own[key] for key in missing})


def check_available(spec: DataSpec) -> None:
    """Look where `open_source` will look, and fetch nothing.

    Raises:
        UserError: published data that are not on this machine and cannot be fetched, or a
            dataset.path that does not hold them or may not be read.
    """
    kind = KINDS.get(spec.source)
    try:
        if kind is not None and kind.check is not None:
            kind.check(spec)
    except PermissionError as error:
        raise UserError(
            f"Cannot read {error.filename}, where the data may be: {error.strerror}. Ask its owner "
            "for the right to, or name another place with dataset.path="
        ) from error


def on_this_machine(spec: DataSpec) -> bool:
    """Whether `open_source` will neither fetch nor make anything."""
    kind = KINDS.get(spec.source)
    if kind is None or spec.path is not None:
        return kind is not None
    if spec.source == "generated":
        return kind.find(identity(spec.name, spec.transitions, spec.body)) is not None
    return spec.id is not None and kind.find(spec.id) is not None


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
