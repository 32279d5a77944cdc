"""The command line before Hydra sees it: misspelt words, and what `resume` stands for.

What takes seconds to import (torch, simulators) is imported when the words are known to be good.
"""

import os
import textwrap
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from farama_notifications import notifications
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.config.doors import check_trainer_option, replayed
from ivr.data.sources.availability import check_available
from ivr.data.sources.stand_ins import GENERATED
from ivr.errors import UserError, nearest
from ivr.files import unique_suffix

# News about environments that are not used here, printed when those that are are imported.
notifications.pop("gymnasium_robotics", None)

CONFIG_DIR = Path(__file__).parents[3] / "conf"

# Two runs that start in the same second get folders of their own.
OmegaConf.register_new_resolver("unique", unique_suffix, use_cache=True)
# --help lists what there is.
OmegaConf.register_new_resolver("choices", lambda group: _wrapped(choices(group)))
OmegaConf.register_new_resolver("generated", lambda: _wrapped(list(GENERATED)))


def choices(group: str) -> list[str]:
    """The names that a word such as algo or dataset can take."""
    return sorted(path.stem for path in (CONFIG_DIR / group).glob("*.yaml"))


def _wrapped(names: list[str]) -> str:
    """A list that stands in the right column of the help."""
    indent = "\n" + 17 * " "
    return indent.join(textwrap.wrap(", ".join(names), 80, break_on_hyphens=False))


class CommandError(CompactHydraException):
    """A UserError in a sweep: Hydra prints the message alone and goes on with the next job."""


def job(function: Callable[[DictConfig, Path, list[str]], Any]) -> Callable[[DictConfig], Any]:
    """What Hydra calls: runs `function(config, run folder, overrides)`.

    A UserError reaches the person as one message, without a traceback.
    """

    @wraps(function)
    def wrapped(config: DictConfig) -> Any:
        # To a person a warning is its message; where it was raised matters to developers only.
        warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
        hydra = HydraConfig.get()
        try:
            return function(config, Path(hydra.runtime.output_dir), list(hydra.overrides.task))
        except UserError as error:
            if hydra.mode == RunMode.MULTIRUN:
                raise CommandError(f"Error: {error}") from None
            raise SystemExit(f"Error: {error}") from None

    return wrapped


def check_at_hand(config: DictConfig) -> None:
    """Look for the data of a composed configuration; see `check_available`.

    Raises:
        UserError: they are neither on this machine nor to be fetched.
    """
    try:
        dataset: Any = OmegaConf.to_container(config.dataset, resolve=True)
    except OmegaConfBaseException:
        return  # told with the rest of the configuration
    check_available(dataset)


def prepare(arguments: list[str], config_name: str = "config") -> list[str]:
    """The arguments to hand to Hydra, or the end of the program with one message."""
    try:
        words = [word for word in arguments if "=" in word and not word.startswith("-")]
        if "--multirun" not in arguments and "-m" not in arguments:
            arguments = _with_resumed(words) + [w for w in arguments if w not in words]
            words = [word for word in arguments if "=" in word and not word.startswith("-")]
        _check_words(words, config_name)
        _check_folders(words)
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
    return arguments


def _parse(words: list[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed = []
    for word in words:
        try:
            parsed.append(parser.parse_override(word))
        except HydraException as error:
            raise UserError(
                f"cannot read {word}: {error}. Quote a value that holds =, commas or spaces, as in "
                """'dataset.path="a=b"'"""
            ) from None
    return parsed


def _with_resumed(words: list[str]) -> list[str]:
    """Put the words of the run that is resumed before the new ones, which win."""
    given = {word.key_or_group: word for word in _parse(words)}
    if "resume" not in given or given["resume"].value() in (None, ""):
        return words
    resume = _text(given["resume"])
    folder = given.get("hydra.run.dir")
    if resume == "auto":
        if folder is None:
            raise UserError(
                "resume=auto goes on in the same run folder: say which with hydra.run.dir=..., "
                "or give a checkpoint, as in resume=outputs/.../checkpoints/last.ckpt"
            )
        path = Path(_text(folder)) / "checkpoints" / "last.ckpt"
        if not path.exists():
            return words  # the first start of a job that a cluster may restart
    else:
        path = Path(resume)
    from ivr.training.checkpoints import load_resumable

    # Plain words only: a checkpoint may come from anywhere, and Hydra's own words run code.
    earlier = [
        override.input_line or ""
        for override in _parse([str(word) for word in load_resumable(path)["ivr"]["overrides"]])
        if not override.key_or_group.startswith(("resume", "hydra"))
        and not override.is_add()
        and not override.is_delete()
        and replayed(override)
    ]
    if folder is None and path.parent.name == "checkpoints":
        quoted = str(path.parent.parent).replace("'", "\\'")
        words = [*words, f"hydra.run.dir='{quoted}'"]
    if any(word.startswith("experiment=") for word in earlier):
        words = [*words, "hydra.mode=RUN"]  # one run of a sweep, not the sweep again
    return earlier + words


def _check_words(words: list[str], config_name: str) -> None:
    """Look every key and choice up.

    Raises:
        UserError: for an unknown one, with the nearest that exist.
    """
    groups, keys = [], []
    for override in _parse(words):
        name = override.key_or_group
        if name.startswith("hydra") or override.is_add() or override.is_delete():
            continue
        options = choices(name)
        if not options:
            keys.append(name)
            continue
        sweep = override.is_sweep_override()
        chosen = list(override.sweep_string_iterator()) if sweep else _chosen(override)
        for choice in chosen:
            if choice not in options:
                raise UserError(f"{name}={choice} is unknown{nearest(choice, options)}")
        groups.append(f"{name}={chosen[0]}" if sweep else override.input_line or "")
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            composed = compose(config_name, groups)
    except HydraException as error:
        raise UserError(str(error)) from None
    known = _flat(composed)
    for key in keys:
        group, _, option = key.partition(".")
        if group == "trainer" and option and key not in known:
            check_trainer_option(option)
        if key not in known:
            raise UserError(f"unknown key {key}{nearest(key, known)}")


def _check_folders(words: list[str]) -> None:
    """Raise a UserError where Hydra could not make the folder of a run, or of a sweep."""
    for override in _parse(words):
        if override.key_or_group not in ("hydra.run.dir", "hydra.sweep.dir"):
            continue
        folder = Path(_text(override).partition("${")[0]).absolute()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise UserError(
                f"{override.key_or_group}={_text(override)}: nothing can be written into {there}. "
                f"Give a folder that can be made, as in {override.key_or_group}=outputs/mine"
            )


def _chosen(override: Override) -> list[str]:
    """The files that a word chooses from a group: callbacks=[a,b] chooses two."""
    value = override.value()
    return [str(name) for name in value] if isinstance(value, list) else [_text(override)]


def _text(override: Override) -> str:
    value: Any = override.value()
    return str(value)


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
