"""The composed configuration, checked and turned into plain values."""

import inspect
from dataclasses import dataclass, fields
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.algos.engine.constructors import algorithm_options, fits, in_words
from ivr.config import doors
from ivr.config import values as words
from ivr.config.transforms import KINDS, build
from ivr.data.load import load_dataset
from ivr.errors import UserError, nearest
from ivr.training.hardware import LIBRARIES, PRECISIONS

# The dataset's keys that decide how a policy is evaluated, and nothing else.
TASK_KEYS = (
    "name", "env", "env_kwargs", "max_episode_steps", "view",
    "maze", "maze_scale", "goal", "reference", "metric",
)  # fmt: skip


def _at_order(sql: Any, eql: Any, *, _root_: DictConfig) -> Any:
    """A departure of the released code at the order of `algo`.

    Raises:
        UserError: at an order that the released code does not have.
    """
    order = _root_.algo.order
    if order not in (0, 1):
        raise UserError(
            f"protocol=released with algo.order={order}: the released code has the orders 1 (SQL) "
            "and 0 (EQL) only. Give protocol=paper, or leave protocol out"
        )
    return sql if order == 1 else eql


OmegaConf.register_new_resolver("at_order", _at_order)

_WHOLE = (
    "num_updates",
    "batch_size",
    "eval_every",
    "eval_episodes",
    "checkpoint_every",
    "log_every",
)


@dataclass(frozen=True)
class TrainConfig:
    """One training, in plain types."""

    algo: dict[str, Any]
    """Keywords of the algorithm's constructor, with its name and class."""
    dataset: dict[str, Any]
    noise: dict[str, Any]
    subset: dict[str, Any]
    normalize: dict[str, Any]
    protocol: str
    alpha: list[float] | None
    seed: list[int]
    discount: float
    num_updates: int
    batch_size: int
    eval_every: int
    eval_episodes: int
    checkpoint_every: int
    log_every: int
    device: str
    compile: str
    precision: str
    float32_products: str
    resume: str | None

    @classmethod
    def parse(cls, config: DictConfig) -> "TrainConfig":
        """Check every key.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        try:
            raw: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise _of_resolver(error) or UserError(str(error)) from error
        raw = {key: value for key, value in raw.items() if key not in doors.NODES}
        known = [field.name for field in fields(cls)]
        for key in raw:
            if key not in known:
                raise UserError(f"unknown key {key}{nearest(str(key), known)}")
        for key in known:
            if key not in raw:
                raise UserError(f"the key {key} was removed: leave ~{key} out")
        check_dataset(raw["dataset"])
        checked = {key: words.whole(key, raw[key]) for key in _WHOLE}
        algorithm_options(raw["algo"])
        for group in KINDS:
            build(group, raw[group])
        return cls(
            algo=raw["algo"],
            dataset=raw["dataset"],
            noise=raw["noise"],
            subset=raw["subset"],
            normalize=raw["normalize"],
            protocol=raw["protocol"]["name"],
            alpha=words.alphas(raw["alpha"], raw["algo"]),
            seed=words.seeds(raw["seed"]),
            discount=words.discount(raw["discount"]),
            device=words.device(str(raw["device"])),
            compile=words.one_of("compile", raw["compile"], ("auto", "true", "false")),
            precision=words.one_of("precision", raw["precision"], tuple(PRECISIONS)),
            float32_products=words.one_of(
                "float32_products", raw["float32_products"], ("auto", *LIBRARIES)
            ),
            resume=raw["resume"],
            **checked,
        )


@dataclass(frozen=True)
class EvaluateConfig:
    """One evaluation of a checkpoint, in plain types."""

    checkpoint: str
    episodes: int
    seed: int
    video: bool
    device: str
    env: str | None

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
            episodes=words.whole("episodes", raw["episodes"]),
            seed=words.whole("seed", raw["seed"]),
            video=raw["video"],
            device=words.device(str(raw["device"])),
            env=raw["env"],
        )


@dataclass(frozen=True)
class InspectConfig:
    """One look at a dataset, in plain types."""

    dataset: dict[str, Any]
    show: int

    @classmethod
    def parse(cls, config: DictConfig) -> "InspectConfig":
        """Check every key.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        raw: Any = OmegaConf.to_container(config, resolve=True)
        check_dataset(raw["dataset"])
        return cls(dataset=raw["dataset"], show=words.whole("show", raw["show"]))


def check_dataset(dataset: dict[str, Any]) -> None:
    """Check names and types of the keys of a dataset.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    parameters = inspect.signature(load_dataset).parameters
    for key, value in dataset.items():
        if key not in parameters or key in ("cache", "progress"):
            raise UserError(f"unknown key dataset.{key}{nearest(key, dataset)}")
        if not fits(value, parameters[key].annotation):
            wanted = in_words(parameters[key].annotation)
            raise UserError(f"dataset.{key}={value}: must be {wanted}")
    for key in ("max_episode_steps", "transitions"):
        number = dataset.get(key)
        if number is not None and number < 1:
            raise UserError(f"dataset.{key}={number}: must be a whole number from 1")


def _of_resolver(error: BaseException | None) -> UserError | None:
    """The UserError that a resolver raised, which OmegaConf wraps in its own."""
    while error is not None and not isinstance(error, UserError):
        error = error.__context__
    return error
