"""Opens data of any kind, and says before whether they are there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ivr.data.kinds import KINDS
from ivr.data.sources.source import Source
from ivr.data.sources.stand_ins import identity
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from ivr.progress import shown


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
