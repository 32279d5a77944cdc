"""The algorithm of a run online, with the weights that it starts from."""

from dataclasses import replace
from typing import Any

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.constructors import AlgorithmSpec, algorithm_class, option_types
from ivr.algos.online.from_policy import FromPolicy
from ivr.config import values
from ivr.config.fields import check
from ivr.config.online.origin import Origin
from ivr.config.online.spec import FinetuneConfig
from ivr.errors import UserError
from ivr.types import Needs

_INHERITED = (
    "observation_dim", "action_low", "action_high", "seeds", "discount", "hidden", "alpha",
    "input_mean", "input_scale",
)  # fmt: skip
"""Keywords that it takes from the offline algorithm, where both have them."""


def online_algorithm(
    config: FinetuneConfig, origin: Origin, num_updates: int
) -> tuple[AlgorithmSpec, dict[str, Any], OfflineAlgorithm]:
    """The algorithm, its constructor's keywords, and itself.

    Raises:
        UserError: an option is unknown or out of range, or it cannot start from there.
    """
    if config.online.get("class") is None:
        spec, arguments = _continued(config, origin)
    else:
        spec, arguments = _own(config, origin)
    arguments["num_updates"] = num_updates
    algorithm = spec.build(arguments)
    try:
        if isinstance(algorithm, FromPolicy) and origin.policy is not None:
            algorithm.begin_with(origin.policy)
        elif type(algorithm) is type(origin.policy):
            algorithm.load_state_dict(origin.policy.state_dict())
    except (ValueError, RuntimeError) as error:
        raise UserError(f"online={spec.name} cannot start from this checkpoint: {error}") from error
    return spec, arguments, algorithm


def recorded_discount(origin: Origin) -> float:
    """The discount of the offline run; an algorithm without a critic, as bc, has none of its own.

    Raises:
        UserError: the checkpoint holds something else.
    """
    return values.discount(origin.description["config"].get("discount"))


def _continued(config: FinetuneConfig, origin: Origin) -> tuple[AlgorithmSpec, dict[str, Any]]:
    """The offline algorithm itself, at a constant learning rate and to the end."""
    old, named = origin.description["arguments"], origin.description["class"]
    cls = algorithm_class(named, trusted=origin.policy is not None or named == config.trusted_class)
    options = {key: old[key] for key in option_types(cls) if key in old}
    anew = {"actor_lr_cosine": False, "value_updates": None}
    options |= {key: value for key, value in anew.items() if key in options}
    name = str(config.online["name"])
    needs = cls.needs({**options, "discount": recorded_discount(origin)})
    if replace(needs, return_discount=None) != Needs():
        raise UserError(
            f"online={name}: {cls.__name__} asks for more of the data than transitions and their "
            "returns, and what is collected has no more. Choose another way, as in online=remodel"
        )
    return AlgorithmSpec(name, cls, options, "online"), {**old, **options}


def _own(config: FinetuneConfig, origin: Origin) -> tuple[AlgorithmSpec, dict[str, Any]]:
    """An algorithm that is made for training online."""
    node = {key: value for key, value in config.online.items() if key not in ("name", "class")}
    if node.get("hidden", ()) is None:
        del node["hidden"]  # the offline run's
    name, cls = str(config.online["name"]), algorithm_class(config.online["class"])
    check("online", node, option_types(cls), f"{name} has no option", node)
    spec = AlgorithmSpec(name, cls, node, "online")
    old = {"discount": recorded_discount(origin), **origin.description["arguments"]}
    if origin.resumed:
        return spec, {**origin.description["arguments"], **node}
    arguments = {key: old[key] for key in _INHERITED if key in old and spec.takes(key)}
    if spec.takes("reward_range"):
        rewards = origin.data.training.rewards
        arguments["reward_range"] = [float(rewards.min()), float(rewards.max())]
    return spec, {**arguments, **node}
