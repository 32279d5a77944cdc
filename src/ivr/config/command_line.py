"""Runs a program under Hydra, once its arguments are checked.

What takes seconds to import (torch, simulators) is imported when the arguments are good.
"""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import hydra
from farama_notifications import notifications
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.config.arguments import SWEPT, config_of, prepare
from ivr.config.dataset import parse_dataset
from ivr.config.options import check_options
from ivr.config.run_files import run_files
from ivr.config.search import CONFIG_DIR
from ivr.config.sweep.job import CommandError, run_job
from ivr.data.opening import check_available
from ivr.errors import UserError, printable
from ivr.programs import PROGRAMS

# News about environments that are not used here, printed when those that are are imported.
notifications.pop("gymnasium_robotics", None)


def main(command: str) -> None:
    """Run a module of `ivr.commands`, which has the name of its root script.

    Its `run` receives the arguments; or the composed configuration, the run folder, the overrides
    and, where it leaves files in that folder, what it calls once it accepts them: `RunFiles.begin`.

    Raises:
        SystemExit: for a bad override, or whatever else the person at the keyboard can mend.
    """
    let_threads_sleep()
    for folder in ("IVR_CACHE", "MINARI_DATASETS_PATH", "D4RL_DATASET_DIR"):
        if os.environ.get(folder):
            os.environ[folder] = os.path.abspath(os.path.expanduser(os.environ[folder]))
    _print_anything()
    if not PROGRAMS[command].hydra:
        import_module(f"ivr.commands.{command}").run(sys.argv[1:])
        return
    config_name = config_of(command)
    sys.argv[1:] = prepare(sys.argv[1:], config_name)
    decorate = hydra.main(config_path=str(CONFIG_DIR), config_name=config_name, version_base="1.3")
    decorate(job(command))()


def let_threads_sleep() -> None:
    """Let threads that wait for others sleep after some microseconds, unless the caller decides.

    Those that spin, OpenMP's default, take the cores from whatever else runs there. torch reads
    both when it is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def job(command: str) -> Callable[[DictConfig], Any]:
    """What Hydra, or a launcher in another process, calls with the composed configuration.

    A UserError reaches the person as one message, without a traceback.
    """
    name = f"ivr.commands.{command}"

    def run(config: DictConfig) -> Any:
        _print_anything()
        # It says in every run that it is slower than it could be.
        logging.getLogger("OpenGL.acceleratesupport").setLevel(logging.WARNING)
        # To a person a warning is its message; where it was raised matters to developers only.
        warnings.formatwarning = lambda message, *_, **__: f"{printable(str(message))}\n"
        hydra_config = HydraConfig.get()
        elsewhere = Path.cwd() != Path(hydra_config.runtime.cwd)
        if hydra_config.mode == RunMode.MULTIRUN and elsewhere and not hydra_config.job.chdir:
            os.chdir(hydra_config.runtime.cwd)  # a launcher's process may have started elsewhere
        if hydra_config.job.chdir:
            _keep_places(config, Path(hydra_config.runtime.cwd))
        # As it is: a folder may have a name like an interpolation.
        runtime: Any = OmegaConf.to_container(hydra_config.runtime, resolve=False)
        folder, overrides = Path(runtime["output_dir"]), hydra_config.overrides.task

        def start() -> Any:
            return perform(command, "run", config, HydraConfig.instance().cfg, folder, overrides)

        try:
            if hydra_config.mode != RunMode.MULTIRUN or command not in SWEPT:
                return start()
            # Jobs run in this process, one after the other, unless a launcher sends them elsewhere.
            alone = hydra_config.launcher._target_.endswith(".BasicLauncher")
            return run_job(folder, overrides, start, alone)
        except UserError as error:
            if hydra_config.mode == RunMode.MULTIRUN:
                raise CommandError(f"Error: {error}") from None
            raise SystemExit(f"Error: {error}") from None

    run.__module__ = name  # gives Hydra the job's name
    return run


def perform(
    command: str,
    function: str,
    config: DictConfig,
    hydra_config: Any,
    folder: Path,
    overrides: Sequence[str],
    **more: Any,
) -> Any:
    """Check a composed configuration, and call a function of the command's module with it.

    Args:
        command: a module of `ivr.commands`.
        function: of that module; it is called as `run` is, see `main`.
        config: composed.
        hydra_config: Hydra's own, kept in the run's folder.
        folder: of the run.
        overrides: that `config` was composed with.
        more: keyword arguments of the function.

    Raises:
        UserError: for whatever the person at the keyboard can mend.
    """

    def call(**begin: Callable[[], None]) -> Any:
        module = import_module(f"ivr.commands.{command}")
        return getattr(module, function)(config, folder, list(overrides), **begin, **more)

    if not PROGRAMS[command].folder:
        return call()
    configs = {"config.yaml": config, "hydra.yaml": hydra_config, "overrides.yaml": overrides}
    with run_files(folder, configs) as files:
        check_options(command, config)
        if PROGRAMS[command].data and config.get("dataset") is not None:
            check_data(config)
        return call(begin=files.begin)


def _print_anything() -> None:
    """Show a question mark where the terminal has no such character, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _keep_places(config: DictConfig, start: Path) -> None:
    """Let paths mean what they did where the program was started: Hydra changes the folder."""
    places = ("dataset.path", "noise.source", "resume", "checkpoint", "folder")
    for key in (*places, "runs", "checkpoints"):
        value = OmegaConf.select(config, key, default=None)
        if isinstance(value, str) and value != "auto":
            OmegaConf.update(config, key, str(start / value))
        elif OmegaConf.is_list(value):
            OmegaConf.update(config, key, [str(start / str(one)) for one in value], merge=False)


def check_data(config: DictConfig) -> None:
    """Check the dataset node of a composed configuration, and that its data are available.

    Raises:
        UserError: a key is wrong, or the data are neither on this machine nor to be fetched.
    """
    try:
        dataset: Any = OmegaConf.to_container(config.dataset, resolve=True)
    except OmegaConfBaseException:
        return  # reported with the rest of the configuration
    check_available(parse_dataset(dataset)[0])
