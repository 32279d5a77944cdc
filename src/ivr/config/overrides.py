"""Overrides of a command line, key=value, as Hydra reads them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.config.search import Search
from ivr.config.trainer import check_trainer_option
from ivr.errors import UserError, nearest

_ONE_OF = ("algo", "dataset", "online", "protocol", "family", "noise", "subset", "normalize")
"""Groups of which a run has one choice."""


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Parse each override.

    Raises:
        UserError: one cannot be read.
    """
    parser = OverridesParser.create()
    parsed = []
    for override in overrides:
        try:
            parsed.append(parser.parse_override(override))
        except HydraException as error:
            raise UserError(
                f"cannot read {override}: {error}. Quote a value with =, commas, spaces or letters "
                """beyond a to z, as in 'dataset.path="a=b"'"""
            ) from None
    return parsed


def at_home(override: str) -> str:
    """Expand values that begin with ~/, which a shell leaves alone behind its =."""
    key, sign, value = override.partition("=")
    found = re.fullmatch(r"""(["']?)(~/[^"',]*)\1""", value)
    if found is not None:
        return f"{key}='{Path(found[2]).expanduser()}'"
    # In a list, and in the comma list of a sweep.
    each = r"""(?<![^\[,"'])~(?=/)"""
    return key + sign + re.sub(each, lambda _: str(Path("~").expanduser()), value)


def open_node(override: str) -> str:
    """Let an override add keys to `dataset.env_kwargs`, the arguments of an environment."""
    return f"++{override}" if re.match(r"dataset\.env_kwargs[.=]", override) else override


def text(override: Override) -> str:
    r"""Write the value of an override as it will be read: an escaped \${ is a plain ${."""
    value: Any = override.value()
    try:
        return str(OmegaConf.create({"value": value}).value)
    except OmegaConfBaseException:  # it refers to the configuration that it is part of
        return str(value)


def check_sweep(overrides: Sequence[str]) -> bool:
    """Whether the overrides name a sweep.

    Raises:
        UserError: the name is none for a folder, or `failed` is unknown.
    """
    named = False
    for override in parse_overrides(overrides):
        name, value = override.key_or_group, override.input_line.partition("=")[2]  # type: ignore[union-attr]
        if name == "sweep":
            named = True
            if not re.fullmatch(r"\w[\w.+-]*", value):
                raise UserError(
                    f"sweep={value}: must be a name of letters, digits, and . + - _, as in "
                    "sweep=night, which is the folder outputs/sweeps/night; "
                    "hydra.sweep.dir=FOLDER is any other"
                )
        elif name == "failed" and value not in ("skip", "retry"):
            raise UserError(f"failed={value}: must be skip or retry")
    return named


def check_overrides(overrides: Sequence[str], search: Search) -> None:
    """Look every key and choice up.

    Raises:
        UserError: for an unknown one, with the nearest that exist.
    """
    groups, keys = [], []
    for override in parse_overrides(overrides):
        name = override.key_or_group
        if name.startswith("hydra") or override.is_add() or override.is_delete():
            continue
        if name.startswith("dataset.env_kwargs."):  # the environment's own
            continue
        options = search.choices(name)
        if not options or isinstance(override.value(), dict):
            keys.append(name)
            continue
        chosen = list(_chosen(override, options))
        for choice in chosen:
            if choice not in options:
                raise UserError(f"{name}={choice} is unknown{nearest(choice, options)}")
        swept = override.is_sweep_override() or isinstance(override.value(), Glob)
        groups.append(f"{name}={chosen[0]}" if swept else override.input_line or "")
    known = _flat(search.compose(groups))
    for chosen_of in groups:
        name = chosen_of.partition("=")[0]
        if any(key.startswith(f"{name}.{name}.") for key in known):
            raise UserError(
                f"{chosen_of}: its file sets {name}.{name}. Let the first line of it be "
                "'# @package _global_', before any other comment"
            )
    for key in keys:
        group, _, option = key.partition(".")
        if group == "trainer" and option and key not in known:
            check_trainer_option(option)
        choice = option.partition(".")[0]
        if (
            key not in known
            and group in ("callbacks", "logger")
            and choice in search.choices(group)
        ):
            raise UserError(f"{key}: {group} has no {choice} here; give {group}={choice} too")
        if key not in known:
            raise UserError(f"unknown key {key}{nearest(key, known)}")


def _chosen(override: Override, options: Sequence[str]) -> Iterator[str]:
    value: Any = override.value()
    if isinstance(value, Glob):
        found = value.filter(list(options))
        if not found:
            raise UserError(
                f"{override.input_line} matches none of {override.key_or_group}: there is "
                f"{', '.join(options)}"
            )
        yield from found
    elif override.is_sweep_override():
        yield from override.sweep_string_iterator()
    elif isinstance(value, list):  # callbacks=[a,b] chooses two
        if override.key_or_group in _ONE_OF:
            key, each = override.key_or_group, list(map(str, value))
            several = f", or of each a run: {key}={','.join(each)} sweep=NAME" * (len(each) > 1)
            raise UserError(
                f"{override.input_line}: there is one {key} in a run. Give {key}={each[0]}{several}"
            )
        yield from map(str, value)
    else:
        yield text(override)


def _flat(config: DictConfig, prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key in config:
        name = f"{prefix}{key!s}"
        keys.add(name)
        if not OmegaConf.is_missing(config, key):
            value = config._get_node(key)
            if isinstance(value, DictConfig) and not value._is_none():
                keys |= _flat(value, f"{name}.")
    return keys
