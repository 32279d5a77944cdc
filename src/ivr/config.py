"""The composed configuration, checked and turned into plain values."""

import inspect
from dataclasses import dataclass, fields
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.constructors import algorithm_class, algorithm_options, fits, in_words, takes
from ivr.data.load import load_dataset
from ivr.errors import UserError, nearest
from ivr.precision import PRECISIONS
from ivr.transforms import KINDS, build

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
        known = [field.name for field in fields(cls)]
        for key in raw:
            if key not in known:
                raise UserError(f"unknown key {key}{nearest(str(key), known)}")
        for key in known:
            if key not in raw:
                raise UserError(f"the key {key} was removed: leave ~{key} out")
        check_dataset(raw["dataset"])
        checked = {key: _whole(key, raw[key]) for key in _WHOLE}
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
            alpha=_alphas(raw["alpha"], raw["algo"]),
            seed=_seeds(raw["seed"]),
            discount=_discount(raw["discount"]),
            device=_device(str(raw["device"])),
            compile=_one_of("compile", raw["compile"], ("auto", "true", "false")),
            precision=_one_of("precision", raw["precision"], tuple(PRECISIONS)),
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
            episodes=_whole("episodes", raw["episodes"]),
            seed=_whole("seed", raw["seed"]),
            video=raw["video"],
            device=_device(str(raw["device"])),
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
        return cls(dataset=raw["dataset"], show=_whole("show", raw["show"]))


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


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _alphas(value: Any, algo: dict[str, Any]) -> list[float] | None:
    name = algo["name"]
    if not takes(algo, "alpha"):
        if value is None:
            return None
        words = " and ".join(f"algo.{key}" for key in algorithm_class(algo).words_for_alpha)
        instead = f"what it has instead is {words}" if words else "nor anything like it"
        raise UserError(f"alpha={value}: {name} has no alpha, {instead}. Leave alpha out")
    alphas = _as_list(value)
    for alpha in alphas:
        if not fits(alpha, float) or alpha <= 0:
            raise UserError(
                f"alpha={alpha}: the temperature of {name} must be a finite number above 0, "
                "or a list of such, as in alpha=0.5 or 'alpha=[0.1,0.5]'"
            )
    _no_repeats("alpha", alphas)
    return [float(alpha) for alpha in alphas]


def _seeds(value: Any) -> list[int]:
    seeds = _as_list(value)
    for seed in seeds:
        if not fits(seed, int) or not 0 <= seed < 2**63:
            raise UserError(
                f"seed={seed}: must be a whole number from 0, or a list of such, as in "
                "seed=3 or 'seed=[0,1,2]'"
            )
    _no_repeats("seed", seeds)
    return seeds


def _no_repeats(key: str, values: list[Any]) -> None:
    if not values or len(set(values)) < len(values):
        raise UserError(f"{key}={values}: give at least one value, and each only once")


def _whole(key: str, value: Any) -> int:
    if not fits(value, int) or value < 1:
        raise UserError(f"{key}={value}: must be a whole number from 1, as in {key}=1000")
    return int(value)


def _discount(value: Any) -> float:
    if not fits(value, float) or not 0 <= value <= 1:
        raise UserError(f"discount={value}: must lie between 0 and 1, as in discount=0.99")
    return float(value)


def _one_of(key: str, value: Any, words: tuple[str, ...]) -> str:
    word = str(value).lower()
    if word not in words:
        raise UserError(f"{key}={value}: must be {', '.join(words[:-1])} or {words[-1]}")
    return word


def _device(word: str) -> str:
    if word == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = word.partition(":")
    if kind == "cpu" and not number:
        return word
    if kind == "cuda" and (not number or number.isdigit()):
        found = torch.cuda.device_count()
        if int(number or 0) < found:
            return word
        raise UserError(f"device={word}: torch sees {found} CUDA devices; use device=cpu or auto")
    raise UserError(f"device={word}: must be auto, cpu, cuda, or cuda: and a number")
