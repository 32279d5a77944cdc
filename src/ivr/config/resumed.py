"""Overrides that a resumed run takes from its checkpoint; none may run code or name a file."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ivr.config.doors import replayed
from ivr.config.overrides import open_node, parse_overrides, text
from ivr.config.search import Search
from ivr.errors import UserError
from ivr.training.folder import check_checkpoint

log = logging.getLogger(__name__)

# Where data lie may change: their fingerprint is compared instead.
_PLACES = ("dataset.path", "noise.source")

_NOT_REPEATED = ("resume", "sweep", "launcher", "hparams_search", "failed")
"""Recorded options that a resumed run leaves out: it is one run, and no sweep."""


def with_resumed(overrides: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Put the overrides of the run that `resume` names before the given ones, which win.

    Returns:
        The overrides, and what that run was trained with: the recorded part of its configuration.

    Raises:
        UserError: there is no such run, or its overrides are not to be trusted.
    """
    given = {override.key_or_group: override for override in parse_overrides(overrides)}
    if "resume" not in given or given["resume"].value() in (None, ""):
        return overrides, {}
    resume = text(given["resume"])
    folder = given.get("hydra.run.dir")
    if resume == "auto":
        if folder is None:
            raise UserError(
                "resume=auto resumes in the same run folder: say which with hydra.run.dir=..., "
                "or give a checkpoint, as in resume=outputs/.../checkpoints/last.ckpt"
            )
        path = Path(text(folder)) / "checkpoints" / "last.ckpt"
        if not path.exists():
            return overrides, {}  # the first start of a job that a cluster may restart
    else:
        path = Path(resume)
        check_checkpoint(path)
    from ivr.training.checkpoints import load_resumable  # takes seconds: torch

    recorded = load_resumable(path)["ivr"]
    earlier = trusted(path, recorded["overrides"], overrides)
    if folder is None and path.parent.name == "checkpoints":
        overrides = [*overrides, f"hydra.run.dir={quoted(str(path.parent.parent))}"]
    overrides = [*overrides, "hydra.mode=RUN"]  # one run of a sweep, not the sweep again
    trained = {**recorded["config"], "num_updates": recorded["arguments"]["num_updates"]}
    return earlier + overrides, trained


def pinned(
    trained: Mapping[str, Any], given: Sequence[str], overrides: list[str], search: Search
) -> list[str]:
    """Put overrides first that keep what a resumed run was trained with where defaults changed.

    Args:
        trained: the recorded configuration; empty where nothing is resumed.
        given: the overrides of the command line; what they name is left to them.
        overrides: these, and those that the run was started with.
        search: what they are composed from.

    Raises:
        UserError: a recorded value would import a module, or name a class or a file.
    """
    named = [override.key_or_group for override in parse_overrides(given)]

    def differences(old: Mapping[str, Any], new: DictConfig, above: str = "") -> Iterator[str]:
        for key, value in old.items():
            path = f"{above}{key}"
            if path in named or path in _PLACES or (key not in new and not _is_open(path)):
                continue
            now = new.get(key)
            if isinstance(value, dict) and isinstance(now, DictConfig):
                yield from differences(value, now, f"{path}.")
            elif _listed(path, value) != _listed(path, now):
                yield f"{path}={written(value)}"

    def composed(pins: list[str]) -> DictConfig:
        own = [x for x in (*pins, *overrides) if not x.lstrip("+~").startswith("hydra.")]
        return search.compose(own)

    if not trained:
        return overrides
    from ivr.algos.engine.constructors import algorithm_class, keywords  # takes seconds: torch
    from ivr.config.transforms import KINDS

    config = composed([])
    # An option that the run did not know had no tuned value then: it has the constructor's.
    constructor = keywords(algorithm_class(config.algo["class"], trusted=True))
    newer = {
        key: constructor[key].default
        for key in config.algo
        if key in constructor and constructor[key].default is not Parameter.empty
    }
    algo = newer | trained["algo"]
    trained = {**trained, "algo": algo, "protocol": {"name": trained["protocol"]}}
    pins = [
        f"{group}={quoted(str(trained[group]['name']))}"
        for group in (*KINDS, "protocol")
        if group in trained and group not in named
        if trained[group]["name"] != config[group].name
    ]
    pins += map(open_node, differences(trained, composed(pins)))
    for override in parse_overrides(pins):
        if _reaches_out(override):
            raise UserError(
                f"resume: the checkpoint was made with {override.input_line!a}, which can run "
                "code. If you trust it, give it yourself, beside resume="
            )
    if pins:
        log.warning(f"resume: defaults have changed, the run keeps its own: {' '.join(pins)}")
    return [*pins, *overrides]


def refuse_one_run(overrides: list[str]) -> None:
    """Refuse to resume one run in every job of a sweep.

    Raises:
        UserError: resume names a checkpoint.
    """
    for override in parse_overrides(overrides):
        if override.key_or_group == "resume" and override.value() not in (None, "", "auto"):
            raise UserError(
                f"resume={text(override)} resumes one run: leave --multirun out. In a sweep with "
                "hydra.sweep.dir=... resume=auto resumes each job in its own folder"
            )


def trusted(path: Path, recorded: Sequence[str], given: Sequence[str]) -> list[str]:
    """The recorded overrides that the given ones do not replace, each once.

    Raises:
        UserError: some of them would import a module, name a class, or configure Hydra itself.
    """
    replaced = {_key(override) for override in parse_overrides(given)}
    kept: dict[str, str] = {}
    refused = []
    for override in parse_overrides(recorded):
        line = override.input_line or ""
        if override.key_or_group in _NOT_REPEATED or _key(override) in replaced:
            continue
        if _reaches_out(override):
            refused.append("".join(letter if letter.isprintable() else "?" for letter in line))
        elif replayed(override):
            kept[_key(override)] = line
    if refused:
        raise UserError(
            f"resume={path}: the checkpoint was made with {' '.join(refused)}. Such an override "
            "can run code or configure Hydra, and a checkpoint may come from anywhere. If you "
            "trust it, repeat it on the command line, beside resume="
        )
    return list(kept.values())


def to_repeat(recorded: Sequence[str]) -> list[str]:
    """The overrides of a run that `trusted` will ask for on the command line, when it resumes."""
    return [
        override.input_line or ""
        for override in parse_overrides(recorded)
        if override.key_or_group not in _NOT_REPEATED and _reaches_out(override)
    ]


def quoted(value: str) -> str:
    """Write a text as Hydra reads it back: quotes, backslashes and ${ are its own."""
    escaped = re.sub(r"(\\*)(\$\{)", r"\1\1\\\2", value)
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), escaped)
    return f"'{escaped}'"


def written(value: Any) -> str:
    """Write a plain value as Hydra reads it back."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{written(inner)}" for key, inner in value.items()) + "}"
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    )


def _listed(path: str, value: Any) -> Any:
    """A value in plain types; seed and alpha are recorded as lists, whatever was given."""
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    plain = list(plain) if isinstance(plain, tuple) else plain
    single = path in ("seed", "alpha") and plain is not None and not isinstance(plain, list)
    return [plain] if single else plain


def _is_open(path: str) -> bool:
    return path.startswith("dataset.env_kwargs.")


def _key(override: Override) -> str:
    return f"{override.key_or_group}@{override.package or ''}"


def _reaches_out(override: Override) -> bool:
    key = override.key_or_group
    if key.startswith("hydra") or override.package is not None or override.is_delete():
        return True
    if override.is_sweep_override() or (override.is_add() and "." not in key):
        return True
    return reaches_out(key, override.value())


def reaches_out(key: str, value: Any) -> bool:
    """Whether a value from a file would import a module, name a class or a file, or read a key."""
    return any(_is_dangerous(path, leaf) for path, leaf in _leaves(key, value))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(path, inner)
    else:
        yield path, value


def _is_dangerous(path: str, leaf: Any) -> bool:
    value = str(leaf)
    if "${" in value or any(part.startswith("_") for part in path.split(".")):
        return True  # reads the environment or another key; _target_ and its like
    if path == "algo.class":
        return not value.startswith("ivr.algos.")
    if path in ("dataset.env", "env"):
        return ":" in value
    return path.startswith("dataset.env_kwargs.") and any(mark in value for mark in ":/\\")
