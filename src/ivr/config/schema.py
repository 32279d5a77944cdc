"""The composed configuration, checked and turned into specs, once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.algos.engine.constructors import AlgorithmSpec, algorithm_class, option_types
from ivr.config import doors, values
from ivr.config.dataset import parse_dataset
from ivr.config.fields import check
from ivr.config.halving import halving
from ivr.config.options import OF_SWEEP, of_training
from ivr.config.transforms import KINDS, build_transform, split_of
from ivr.data.spec import DataSpec
from ivr.data.transforms.mixing import Mix
from ivr.data.transforms.normalisation import Standard
from ivr.data.transforms.split import Split
from ivr.data.transforms.subsets import Subset
from ivr.errors import UserError, nearest
from ivr.evaluation.task.spec import TaskSpec
from ivr.training.rungs import Halving


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


@dataclass(frozen=True)
class TrainConfig:
    """One training: specs and built transforms, checked."""

    algorithm: AlgorithmSpec
    data: DataSpec
    task: TaskSpec
    noise: Mix | None
    subset: Subset | None
    normalize: Standard | None
    protocol: str
    alpha: list[float] | None
    seed: list[int]
    discount: float
    num_updates: int
    batch_size: int
    eval_every: int
    eval_episodes: int
    eval_errors: str
    checkpoint_every: int
    log_every: int
    split: float
    split_seed: int
    best_by: str
    device: str
    compile: str
    precision: str
    float32_products: str
    resume: str | None
    halving: Halving | None
    optimized_metric: str | None
    plain: dict[str, Any]
    """The composed configuration in plain types, with `alpha` and `seed` as lists."""

    @property
    def held_out(self) -> Split | None:
        """The split; None where nothing is held out."""
        return split_of(self.plain)

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
        raw = {key: value for key, value in raw.items() if key not in (*doors.NODES, *OF_SWEEP)}
        for key in raw:
            if key not in _TRAIN_KEYS:
                raise UserError(f"unknown key {key}{nearest(str(key), _TRAIN_KEYS)}")
        for key in sorted(_TRAIN_KEYS):
            if key not in raw:
                raise UserError(f"the key {key} was removed: leave ~{key} out")
        data, task = parse_dataset(raw["dataset"])
        algorithm = parse_algorithm(raw["algo"])
        transforms = {group: build_transform(group, raw[group]) for group in KINDS}
        options = of_training(raw)
        accelerator = OmegaConf.select(config, "trainer.accelerator")
        decided = {
            **options,
            "protocol": raw["protocol"]["name"],
            "alpha": values.alphas(raw["alpha"], algorithm),
            "device": values.device(options["device"], accelerator),
            "resume": raw["resume"],
            "optimized_metric": raw["optimized_metric"],
        }
        plain = raw | decided
        return cls(
            algorithm=algorithm,
            data=data,
            task=task,
            halving=halving(raw["halving"], options["eval_every"]),
            plain=plain,
            **transforms,
            **decided,
        )


# Each field is a key, but for these.
_TRAIN_KEYS = {field.name for field in fields(TrainConfig)} - {"algorithm", "data", "task", "plain"}
_TRAIN_KEYS |= {"algo", "dataset"}


def parse_algorithm(node: Mapping[str, Any]) -> AlgorithmSpec:
    """The algorithm of an `algo` node.

    The node is the command line's own, so that its class may come from anybody's package; nothing
    of a checkpoint gets here but as an override that was checked (`ivr.config.resumed`).

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    cls = algorithm_class(node.get("class"), trusted=True)
    options = {key: value for key, value in node.items() if key not in ("name", "class")}
    types = option_types(cls)
    known = [key for key in options if key in types]
    check("algo", options, types, f"{node['name']} has no option", known)
    return AlgorithmSpec(node["name"], cls, options)


def _of_resolver(error: BaseException | None) -> UserError | None:
    """The UserError that a resolver raised, which OmegaConf wraps in its own."""
    while error is not None and not isinstance(error, UserError):
        error = error.__context__
    return error
