"""The values of single options, checked and turned into plain types."""

import re
from typing import TYPE_CHECKING, Any

from ivr.config.fields import fits, shown
from ivr.errors import UserError

if TYPE_CHECKING:
    from ivr.algos.engine.constructors import AlgorithmSpec


def alphas(value: Any, algorithm: "AlgorithmSpec") -> list[float] | None:
    """The temperatures, of an algorithm that has them.

    Raises:
        UserError: where one is not a finite number above 0, or the algorithm has none.
    """
    name = algorithm.name
    if not algorithm.takes("alpha"):
        if value is None:
            return None
        others = " and ".join(f"algo.{key}" for key in algorithm.type.alpha_options)
        instead = f"what it has instead is {others}" if others else "nor anything like it"
        raise UserError(f"alpha={value}: {name} has no alpha, {instead}. Leave alpha out")
    given = _as_list(value)
    for alpha in given:
        if not fits(alpha, float) or alpha <= 0:
            raise UserError(
                f"alpha={shown(alpha)}: the temperature of {name} must be a finite number above 0, "
                "or a list of such, as in alpha=0.5 or 'alpha=[0.1,0.5]'"
            )
    _no_repeats("alpha", given)
    return [float(alpha) for alpha in given]


def seeds(value: Any) -> list[int]:
    """One seed or a list of them, as a list.

    Raises:
        UserError: where one is not a whole number from 0, or stands there twice.
    """
    given = _as_list(value)
    for seed in given:
        if not fits(seed, int) or not 0 <= seed < 2**63:
            raise UserError(
                f"seed={shown(seed)}: must be a whole number from 0 to {2**63 - 1}, or a list of "
                "such, as in seed=3 or 'seed=[0,1,2]'"
            )
    _no_repeats("seed", given)
    return given


def split(value: Any) -> float:
    """The share of the episodes that is held out, 0 for none.

    Raises:
        UserError: for anything but a number from 0 to below 1.
    """
    if not fits(value, float) or not 0 <= value < 1:
        raise UserError(
            f"split={shown(value)}: must be a share of the episodes from 0, which holds nothing "
            "out, to below 1, as in split=0.1"
        )
    return float(value)


def text_or_null(key: str, value: Any) -> str | None:
    """A text, or None.

    Raises:
        UserError: for anything else.
    """
    if value is not None and not isinstance(value, str):
        raise UserError(f"{key}={shown(value)}: must be a text, or null")
    return value


def whole(key: str, value: Any, least: int = 1) -> int:
    """A whole number from `least`.

    Raises:
        UserError: for anything else.
    """
    if isinstance(value, float) and value.is_integer():  # 1e4
        value = int(value)
    if not fits(value, int) or value < least:
        example = 1000 if least else 0
        raise UserError(
            f"{key}={shown(value)}: must be a whole number from {least}, as in {key}={example}"
        )
    return int(value)


def discount(value: Any) -> float:
    """A number between 0 and 1.

    Raises:
        UserError: for anything else.
    """
    if not fits(value, float) or not 0 <= value <= 1:
        raise UserError(f"discount={shown(value)}: must lie between 0 and 1, as in discount=0.99")
    return float(value)


def one_of(key: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of the allowed values, in lower case.

    Raises:
        UserError: for anything else.
    """
    chosen = str(value).lower()
    if chosen not in allowed:
        raise UserError(f"{key}={value}: must be {', '.join(allowed[:-1])} or {allowed[-1]}")
    return chosen


ACCELERATORS = {"auto": "auto", "cpu": "cpu", "gpu": "cuda", "cuda": "cuda", "mps": "mps"}
"""Lightning's names of accelerators, and the device that each stands for."""


def device_name(value: Any) -> str:
    """A name that a device may have, whether torch has it or not.

    Raises:
        UserError: for anything else.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", str(value)):
        raise UserError(f"device={value}: must be auto, cpu, mps, cuda, or cuda: and a number")
    return str(value)


def device(name: str, accelerator: Any = None) -> str:
    """A device that torch has; `auto` is a GPU where there is one.

    Args:
        name: the option `device`, see `device_name`.
        accelerator: Lightning's name for the same choice, `trainer.accelerator`; None for none.

    Raises:
        UserError: for anything else.
    """
    import torch  # takes seconds

    name = device_name(name)
    if accelerator is not None:
        if accelerator not in ACCELERATORS:
            allowed = ", ".join(ACCELERATORS)
            raise UserError(f"trainer.accelerator={accelerator}: must be one of {allowed}")
        if name not in ("auto", ACCELERATORS[accelerator]):
            raise UserError(f"device={name}, trainer.accelerator={accelerator}: give one of them")
        name = ACCELERATORS[accelerator]
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("device=mps: torch sees no Apple GPU; use device=cpu or auto")
    kind, _, number = name.partition(":")
    if kind == "cuda":
        found = torch.cuda.device_count()
        if int(number or 0) >= found:
            raise UserError(
                f"device={name}: torch sees {found} CUDA devices; use device=cpu or auto"
            )
    return name


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _no_repeats(key: str, values: list[Any]) -> None:
    if not values or len(set(values)) < len(values):
        raise UserError(f"{key}={values}: give at least one value, and each only once")
