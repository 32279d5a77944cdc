"""Builds the loggers, callbacks and Trainer options that the command line names.

`_target_` is honoured here alone, and only in the command line's own configuration: nothing that a
checkpoint holds is instantiated.
"""

import inspect
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from ivr.config.trainer import check_trainer_option, check_trainer_value
from ivr.errors import UserError
from ivr.sweeps.index import read_swept

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from ivr.training.doors import Doors

log = logging.getLogger(__name__)

NODES = ("logger", "callbacks", "trainer")
"""Nodes of the configuration that are built here."""

_UNSUITED = {
    "WeightAveraging": "what is evaluated are the weights of the last update, and not the averages",
    "StochasticWeightAveraging": "it needs one optimizer, and each network has its own here",
    "GradientAccumulationScheduler": "an update is one batch; use batch_size",
    "BatchSizeFinder": "batch_size is the algorithm's, and not the largest that memory takes",
    "LearningRateFinder": "each network has a learning rate of its own (algo.*_lr)",
    "ModelPruning": "checkpoints hold the networks' own parameters",
}
"""Callbacks of Lightning that cannot be used here, and why."""

EXTRAS = {"wandb": "wandb", "mlflow": "mlflow"}
"""The extra of pyproject.toml that a module of an optional package is in."""


def replayed(override: Override) -> bool:
    """Whether a resumed run repeats this override of its checkpoint.

    Of loggers, callbacks and the Trainer it repeats choices among the files of conf/, and numbers:
    a checkpoint may come from anywhere, and these nodes name classes and folders.
    """
    group, _, rest = override.key_or_group.partition(".")
    if group not in NODES:
        return True
    value: Any = None if override.is_sweep_override() else override.value()
    number = isinstance(value, bool | int | float) and not any(
        part.startswith("_") for part in rest.split(".")
    )
    kept = number if rest else _names(value)
    if not kept:
        log.warning(f"resume: {override.input_line} of the checkpoint is left out; repeat it")
    return kept


def open_doors(
    config: DictConfig, folder: Path, callbacks: "Sequence[pl.Callback]" = ()
) -> "Doors":
    """Build what the nodes of a configuration name.

    Args:
        config: the composed configuration.
        folder: of the run; it fills `save_dir` and `dirpath` where they are left out.
        callbacks: more of them.

    Raises:
        UserError: where a node names no class, the class refuses its options, or its package is not
            installed.
    """
    from pytorch_lightning.loggers import Logger

    from ivr.training.doors import Doors

    nodes: Any = {
        name: OmegaConf.to_container(config[name], resolve=True) if config.get(name) else {}
        for name in NODES
    }
    for node in nodes["logger"].values() if isinstance(nodes["logger"], dict) else ():
        name_run(node, config, folder)
    loggers = _instances("logger", nodes["logger"], folder)
    for name, logger in loggers.items():
        if not isinstance(logger, Logger) and not callable(logger):
            raise UserError(f"logger.{name}: {type(logger).__name__} is no logger of Lightning")
    built = _instances("callbacks", nodes["callbacks"], folder)
    for name, callback in built.items():
        _check_callback(f"callbacks.{name}", callback)
    for callback in callbacks:
        _check_callback("callbacks", callback)
    return Doors(
        loggers=list(loggers.values()),
        callbacks=[*built.values(), *callbacks],
        trainer=_trainer(nodes["trainer"], folder),
        swept=read_swept(folder),
    )


def name_run(node: Any, config: DictConfig, folder: Path) -> None:
    """Fill a W&B or MLflow logger's name and group where they are null: what the run is.

    A job of a sweep has the name of its folder and the sweep's as its group; a single run that of
    its algorithm and dataset.
    """
    if not isinstance(node, dict):
        return
    job = (folder.parent / "sweep.json").is_file()
    what = [OmegaConf.select(config, f"{key}.name") for key in ("algo", "online", "dataset")]
    single = " ".join(str(name) for name in what if name)
    names = {"name": folder.name, "group": folder.parent.name} if job else {"name": single}
    for key, value in {**names, "run_name": names["name"]}.items():
        if key in node and node[key] is None:
            node[key] = value


def _trainer(node: dict[str, Any], folder: Path) -> dict[str, Any]:
    for name, value in node.items():
        check_trainer_option(name)
        check_trainer_value(name, value)
    options = {name: value for name, value in node.items() if value is not None}
    options.pop("accelerator", None)  # another name of the option device
    profiler = options.get("profiler")
    if profiler is not None:
        if not isinstance(profiler, dict):
            profiler = {"_target_": _profiler(str(profiler)), "filename": "profile"}
        options |= _instances("trainer", {"profiler": profiler}, folder)
    return options


def _check_callback(name: str, callback: Any) -> None:
    import pytorch_lightning as pl

    if not isinstance(callback, pl.Callback):
        made = isinstance(callback, type) and issubclass(callback, pl.Callback)
        found = callback.__name__ if made else type(callback).__name__
        cure = f"; make one, as in {found}()" if made else ""
        raise UserError(f"{name}: {found} is no Lightning callback{cure}")
    for kind in type(callback).__mro__:
        if kind.__name__ in _UNSUITED:
            raise UserError(f"{name}: {kind.__name__} cannot be used: {_UNSUITED[kind.__name__]}")


def _profiler(name: str) -> str:
    names = {
        "simple": "SimpleProfiler",
        "advanced": "AdvancedProfiler",
        "pytorch": "PyTorchProfiler",
    }
    if name not in names:
        raise UserError(f"trainer.profiler={name}: must be simple, advanced or pytorch")
    return f"pytorch_lightning.profilers.{names[name]}"


def _instances(group: str, node: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise UserError(
            f"{group}={node}: must be a mapping from names to a _target_ and its options"
        )
    if "_target_" in node:
        raise UserError(
            f"{group} has a _target_ of its own: put it below a name, as in "
            f"{{mine: {{_target_: {node['_target_']}}}}}"
        )
    return {
        name: _instance(f"{group}.{name}", options, folder)
        for name, options in node.items()
        if options is not None
    }


def _instance(key: str, node: Any, folder: Path) -> Any:
    if not isinstance(node, dict) or not isinstance(node.get("_target_"), str):
        raise UserError(
            f"{key} names no class: give _target_ and its options, as in "
            f"'+{key}={{_target_: package.module.Class}}'"
        )
    target = node["_target_"]
    try:
        taken = inspect.signature(get_object(target)).parameters
        places = {k: str(folder) for k in ("save_dir",) if k in taken}
        if target.endswith(".MLFlowLogger"):
            # Without a server its runs are files; MLflow asks for leave to write them.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            places["save_dir"] = str(folder / "mlruns")
        if "dirpath" in taken:
            below = folder / "checkpoints" if key.startswith("callbacks.") else folder
            places["dirpath"] = str(below)
        filled = {**places, **{k: v for k, v in node.items() if k not in places or v is not None}}
        return instantiate(filled, _convert_="all")
    except (HydraException, ImportError, AttributeError, TypeError, ValueError) as error:
        cause = error.__cause__ or error
        missing = isinstance(cause, ImportError)
        extra = next((e for package, e in EXTRAS.items() if package in target.lower()), None)
        if missing and extra:
            raise UserError(
                f"{key} needs the package {extra}, which is not installed. Install it with "
                f"`.venv/bin/python -m pip install -e '.[{extra}]'`"
            ) from error
        raise UserError(f"{key}: {target} cannot be built: {cause}") from error


def _names(value: Any) -> bool:
    """Whether a value is a file's name in a group, or several."""
    names = value if isinstance(value, list) else [value]
    return all(isinstance(name, str) and name.isidentifier() for name in names)
