"""Options that can be checked without an algorithm: bad values are told before torch is loaded."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.config import values
from ivr.config.dataset import parse_dataset
from ivr.config.halving import halving
from ivr.config.selection import RankConfig
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from ivr.evaluation.task.spec import TaskSpec
from ivr.training.folder import check_checkpoint
from ivr.training.precisions import LIBRARIES, PRECISIONS

_WHOLE = (
    "num_updates",
    "batch_size",
    "eval_every",
    "eval_episodes",
    "checkpoint_every",
    "log_every",
)

_OF_TRAINING: dict[str, Callable[[Any], Any]] = {
    **{key: partial(values.whole, key) for key in _WHOLE},
    "seed": values.seeds,
    "discount": values.discount,
    "device": values.device_name,
    "split": values.split,
    "split_seed": partial(values.whole, "split_seed", least=0),
    "best_by": str,
    "compile": partial(values.one_of, "compile", allowed=("auto", "true", "false")),
    "precision": partial(values.one_of, "precision", allowed=tuple(PRECISIONS)),
    "float32_products": partial(values.one_of, "float32_products", allowed=("auto", *LIBRARIES)),
    "eval_errors": partial(values.one_of, "eval_errors", allowed=("stop", "continue")),
}
OF_SWEEP = ("sweep", "failed")
"""Keys that decide which jobs of a sweep run, and nothing in them."""

EXPORT_SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
"""Of the files that export.py writes."""

_OF_CHECKPOINT = ("seed", "num_updates")
"""What finetune.py may be given as null: a run online takes it from elsewhere."""


def of_training(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a training that no algorithm decides, of those that are there.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    return {key: check(raw[key]) for key, check in _OF_TRAINING.items() if key in raw}


@dataclass(frozen=True)
class EvaluateConfig:
    """One evaluation of a checkpoint, in plain types."""

    checkpoint: str
    episodes: int
    seed: int
    video: bool
    device: str
    env: str | None
    trusted_class: str | None
    """The algorithm's class, where the checkpoint names one outside of ivr.algos."""

    @classmethod
    def parse(cls, config: DictConfig) -> "EvaluateConfig":
        """Check every key.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        if OmegaConf.is_missing(config, "checkpoint"):
            raise UserError("checkpoint is missing: give the path of a best.ckpt or last.ckpt")
        raw: Any = OmegaConf.to_container(config, resolve=True)
        if not isinstance(raw["video"], bool):
            raise UserError(f"video={raw['video']}: must be true or false")
        return cls(
            checkpoint=str(raw["checkpoint"]),
            episodes=values.whole("episodes", raw["episodes"]),
            seed=values.whole("seed", raw["seed"], 0),
            video=raw["video"],
            device=values.device_name(raw["device"]),
            env=values.text_or_null("env", raw["env"]),
            trusted_class=values.text_or_null("class", raw["class"]),
        )


@dataclass(frozen=True)
class ExportConfig:
    """One export of a policy, in plain types."""

    checkpoint: str
    member: int | str
    format: str
    path: str | None
    trusted_class: str | None
    """The algorithm's class, where the checkpoint names one outside of ivr.algos."""

    @classmethod
    def parse(cls, config: DictConfig) -> "ExportConfig":
        """Check every key.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        if OmegaConf.is_missing(config, "checkpoint"):
            raise UserError("checkpoint is missing: give the path of a best.ckpt or last.ckpt")
        raw: Any = OmegaConf.to_container(config, resolve=True)
        member, path = raw["member"], raw["path"]
        if member != "best" and (isinstance(member, bool) or not isinstance(member, int)):
            raise UserError(f"member={member}: must be best, or a member's number from 0")
        form = values.one_of("format", raw["format"], ("onnx", "torch"))
        suffix = EXPORT_SUFFIXES[form]
        if path is not None and Path(str(path)).suffix != suffix:
            raise UserError(f"path={path}: a file of format={form} ends in {suffix}")
        if path is not None:
            _check_place(Path(str(path)))
        return cls(
            checkpoint=str(raw["checkpoint"]),
            member=member,
            format=form,
            path=None if path is None else str(path),
            trusted_class=values.text_or_null("class", raw["class"]),
        )


def _check_place(path: Path) -> None:
    try:
        there = next(place for place in (path, *path.absolute().parents) if place.exists())
    except OSError as error:
        raise UserError(f"path={path}: {error.strerror}. Give another") from error
    if path.is_dir() or not (there == path or (there.is_dir() and os.access(there, os.W_OK))):
        what = "it is a folder" if path.is_dir() else f"nothing can be written into {there}"
        raise UserError(f"path={path}: {what}. Give the path of a file that can be made")


@dataclass(frozen=True)
class InspectConfig:
    """One look at a dataset."""

    data: DataSpec
    task: TaskSpec
    show: int

    @classmethod
    def parse(cls, config: DictConfig) -> "InspectConfig":
        """Check every key.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        raw: Any = OmegaConf.to_container(config, resolve=True)
        data, task = parse_dataset(raw["dataset"])
        return cls(data=data, task=task, show=values.whole("show", raw["show"]))


def check_options(command: str, config: DictConfig) -> None:
    """Check what a program is given, as far as that takes neither torch nor the data.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    try:
        if command in ("train", "finetune"):
            given = {key: _plain(config[key]) for key in _OF_TRAINING if key in config}
            if command == "finetune":
                given = {k: v for k, v in given.items() if v is not None or k not in _OF_CHECKPOINT}
            options = of_training(given)
            if "halving" in config:
                halving(_plain(config.halving), options["eval_every"])
        elif command == "inspect_data":
            InspectConfig.parse(config)
        elif command == "rank":
            RankConfig.parse(config)
        elif command == "export":
            check_checkpoint(Path(ExportConfig.parse(config).checkpoint))
        elif command == "evaluate":
            check_checkpoint(Path(EvaluateConfig.parse(config).checkpoint))
        if command == "finetune" and config.checkpoint is not None and not config.resume:
            check_checkpoint(Path(str(config.checkpoint)))
    except OmegaConfBaseException:
        return  # reported with the rest of the configuration


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
