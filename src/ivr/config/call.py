"""Runs a command inside of a Python program, and leaves that program as it was."""

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.types import RunMode
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ivr.config.arguments import checked, config_folder, config_of
from ivr.config.command_line import let_threads_sleep, perform
from ivr.config.overrides import at_home, parse_overrides
from ivr.config.resumed import written
from ivr.config.run_files import Printable
from ivr.config.search import Search
from ivr.errors import UserError
from ivr.programs import command as started_by
from ivr.progress import hidden

_turn = threading.RLock()
"""One command at a time: settings of torch, warnings and logging are the process's."""


def call(
    command: str,
    function: str,
    options: Mapping[str, Any],
    *,
    folder: str | Path | None = None,
    config_dir: str | Path | None = None,
    verbose: bool = True,
    **more: Any,
) -> tuple[Any, Path]:
    """Compose a configuration as the command line does, and call a command's function with it.

    Calls from several threads take turns.

    Args:
        command: a module of `ivr.commands`.
        function: of that module.
        options: values by the names of the command's options; `__` stands for the dot of a name.
        folder: of the run; None for the command's default.
        config_dir: a folder of configuration of one's own, as --config-dir.
        verbose: print what the command prints, and its progress; otherwise warnings alone.
        more: keyword arguments of the function.

    Returns:
        What the function returned, and the folder of the run.

    Raises:
        UserError: for whatever the caller can mend.
        KeyboardInterrupt: it was interrupted, after what was done is saved.
    """
    let_threads_sleep()
    if folder is not None:
        options = {**options, "hydra.run.dir": str(folder)}
    with _turn:
        try:
            composed = compose_command(command, options, config_dir)
            with _said(verbose), hidden(not verbose), _settings_kept():
                found = perform(command, function, *composed, **more)
        except UserError as error:
            error.args = (str(error).replace("hydra.run.dir", "folder"),)
            raise
        except SystemExit as end:
            if end.code == 130:
                raise KeyboardInterrupt from None
            raise UserError(str(end.code)) from None
    return found, composed.folder


class Composed(NamedTuple):
    """What a command is called with: its configuration and where it writes."""

    config: DictConfig
    hydra: DictConfig
    """Hydra's own, under `hydra`."""
    folder: Path
    """Of the run that the command makes."""
    overrides: list[str]
    """That it was composed with, Hydra's own left out."""


def compose_command(
    command: str, options: Mapping[str, Any], config_dir: str | Path | None = None
) -> Composed:
    """Compose a command's configuration.

    Raises:
        UserError: an option does not exist, or a value cannot be read.
    """
    name = config_of(command)
    with _turn, _own_hydra():
        folders = [] if config_dir is None else [config_folder(str(config_dir))]
        search = Search(name, folders)
        overrides = checked([at_home(one) for one in as_overrides(options)], name, search)
        config = search.compose(overrides, with_hydra=True)
        try:
            sweep, folder = config.hydra.mode == RunMode.MULTIRUN, Path(str(config.hydra.run.dir))
        except OmegaConfBaseException as error:
            raise UserError(f"hydra.run.dir: {error}") from None
    if sweep:
        raise UserError(
            f"experiment={options.get('experiment')} is many runs: call once for each, or start it "
            f"with {started_by(command)}"
        )
    own = OmegaConf.create({"hydra": config.hydra})
    with open_dict(config):
        del config["hydra"]
    return Composed(config, own, folder, list(own.hydra.overrides.task))


def as_overrides(options: Mapping[str, Any]) -> list[str]:
    """Write options as a command line has them: `algo__hidden=[8, 8]` is algo.hidden=[8,8].

    Raises:
        UserError: a value is of a type that no option takes.
    """
    trainer = options.get("trainer")
    if isinstance(trainer, Mapping):  # so that each of its options is looked up
        flat = {f"trainer.{key}": value for key, value in trainer.items()}
        options = {key: value for key, value in options.items() if key != "trainer"} | flat
    return [f"{key.replace('__', '.')}={_text(key, value)}" for key, value in options.items()]


def _text(key: str, value: Any) -> str:
    value = _plain(key, value)
    if isinstance(value, str) and re.fullmatch(r"[\w./+-]+", value, re.ASCII):
        # As a person types it, unless Hydra would read a number, true or null.
        (override,) = parse_overrides([f"key={value}"])
        if override.value() == value:
            return value
    return written(value)


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # of numpy and torch
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(key, inner) for name, inner in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Sequence):
        return [_plain(key, inner) for inner in value]
    raise UserError(
        f"{key}={value!r:.80} is of type {type(value).__name__}: an option takes a number, a text, "
        "None, or a list or dict of them"
    )


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Compose apart from whatever the caller does with Hydra itself."""
    instances, own = Singleton._instances, (GlobalHydra, VersionBase)
    held: dict[type, Any] = {kind: instances.pop(kind) for kind in own if kind in instances}
    try:
        yield
    finally:
        for kind in own:
            instances.pop(kind, None)
        instances.update(held)


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Give torch back what a training sets for the whole process."""
    import torch

    workspace = "CUBLAS_WORKSPACE_CONFIG"
    products, chosen = torch.get_float32_matmul_precision(), os.environ.get(workspace)
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmark
        os.environ.pop(workspace, None)
        if chosen is not None:
            os.environ[workspace] = chosen


class _Speaker(logging.StreamHandler[Any]):
    """Prints what the caller's own handlers do not."""


@contextmanager
def _said(verbose: bool) -> Iterator[None]:
    """Print the messages of a command once, whether or not the caller has set logging up."""
    ours, root = logging.getLogger("ivr"), logging.getLogger()
    if any(isinstance(handler, _Speaker) for handler in ours.handlers):  # a call within a call
        yield
        return
    theirs, level = list(root.handlers), ours.level

    def shown_by_root(record: logging.LogRecord) -> bool:
        return record.levelno >= root.level or not record.name.startswith("ivr.")

    speaker = _Speaker(sys.stdout)
    speaker.setLevel(logging.INFO if verbose else logging.WARNING)
    speaker.setFormatter(Printable("%(message)s"))
    speaker.addFilter(lambda record: not theirs or not shown_by_root(record))
    for handler in theirs:
        handler.addFilter(shown_by_root)
    ours.addHandler(speaker)
    ours.setLevel(logging.INFO)  # log.txt holds all of it
    try:
        yield
    finally:
        ours.setLevel(level)
        ours.removeHandler(speaker)
        for handler in theirs:
            handler.removeFilter(shown_by_root)
