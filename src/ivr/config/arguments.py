"""Checks the arguments of a program before Hydra reads them."""

import os
import re
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser

from ivr.config.overrides import (
    at_home,
    check_overrides,
    check_sweep,
    open_node,
    parse_overrides,
    text,
)
from ivr.config.resumed import pinned, refuse_one_run, with_resumed
from ivr.config.search import Search
from ivr.config.sweep.engines import check_engines, refuse_lists
from ivr.errors import UserError

SWEPT = ("train", "finetune")
"""Commands whose sweeps resume."""

_MAY_SWEEP = re.compile(r"(experiment|hparams_search)=(?!none$)|hydra\.mode=MULTIRUN")
"""What can make a command a sweep besides sweep= and --multirun."""


def config_of(command: str) -> str:
    """The file of conf/ that a command's options stand in."""
    return "config" if command == "train" else command


def prepare(arguments: list[str], config_name: str = "config") -> list[str]:
    """Return the arguments for Hydra, overrides first, or end the program with one message."""
    given, _ = get_args_parser().parse_known_intermixed_args(arguments)
    if given.shell_completion:
        return arguments  # Hydra's own overrides follow, as in -sc install=bash
    flags = [argument for argument in arguments if argument not in given.overrides]
    overrides = [at_home(override) for override in given.overrides]
    try:
        folders = [] if given.config_dir is None else [config_folder(given.config_dir)]
        for override in parse_overrides(overrides):
            value: Any = override.value() if override.key_or_group == "hydra.searchpath" else ()
            folders += [value] if isinstance(value, str) else [str(one) for one in value or ()]
        search = Search(given.config_name or config_name, folders)
        named = config_name in map(config_of, SWEPT) and check_sweep(overrides)
        if named and not given.multirun:
            flags.append("--multirun")
        may_sweep = any(map(_MAY_SWEEP.match, overrides))
        multirun = named or given.multirun
        if config_name in map(config_of, SWEPT):
            check_engines(overrides, multirun or may_sweep)
        prepared = checked(overrides, config_name, search, multirun)
        if config_name in map(config_of, SWEPT) and not (multirun or may_sweep):
            refuse_lists(overrides)
        return prepared + flags
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None


def checked(
    overrides: list[str], config_name: str, search: Search, multirun: bool = False
) -> list[str]:
    """Return the overrides, with those of the run that they resume, once all are known to exist.

    Args:
        overrides: of one run, or of a sweep.
        config_name: of the command, a file of conf/.
        search: what they are composed from.
        multirun: whether it is a sweep.

    Raises:
        UserError: one cannot be read, or names what is not there.
    """
    trained: dict[str, Any] = {}
    typed = overrides
    if multirun:
        refuse_one_run(typed)
    else:
        overrides, trained = with_resumed(typed)
        online = "schedule" in trained.get("algo", {})
        if trained and online != (config_name == "finetune"):
            raise UserError(
                "resume: this is a run of finetune.py, which resumes it"
                if online
                else "resume: this is a run of train.py, which resumes it; checkpoint=... takes it "
                "online"
            )
    overrides = [open_node(override) for override in overrides]
    try:
        check_overrides(overrides, search)
    except UserError as error:
        if not trained or search.folders:
            raise
        check_overrides([open_node(override) for override in typed], search)
        raise UserError(
            f"{error} The run that is resumed may have it from a folder of your own: give "
            "--config-dir FOLDER, as it was started with"
        ) from None
    _check_folders(overrides)
    if config_name == "config":
        overrides = pinned(trained, typed, overrides, search)
    return overrides


def config_folder(config_dir: str) -> str:
    """The address of a folder of configuration, as hydra.searchpath takes it.

    Raises:
        UserError: there is no such folder.
    """
    folder = Path(config_dir).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"--config-dir {config_dir}: there is no such folder")
    return f"file://{folder}"


def _check_folders(overrides: list[str]) -> None:
    """Raise a UserError where Hydra could not make the folder of a run, or of a sweep."""
    for override in parse_overrides(overrides):
        if override.key_or_group not in ("hydra.run.dir", "hydra.sweep.dir"):
            continue
        folder = Path(text(override).partition("${")[0]).absolute()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise UserError(
                f"{override.key_or_group}={text(override)}: nothing can be written into {there}. "
                f"Give a folder that can be made, as in {override.key_or_group}=outputs/mine"
            )
