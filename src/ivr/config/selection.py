"""The configuration of `python rank.py`, checked and turned into plain types."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.config import values
from ivr.config.fields import fits, shown
from ivr.errors import UserError
from ivr.files import found_below
from ivr.selection.options import INITIAL, Options
from ivr.training.folder import check_checkpoint

_WHOLE = ("num_updates", "batch_size", "cloning_updates", "horizon")


@dataclass(frozen=True)
class RankConfig:
    """One ranking of policies."""

    checkpoints: tuple[Path, ...]
    trusted_class: str | None
    dataset: Mapping[str, Any] | None
    """The node `dataset`, where it is not that of the policies."""
    discount: float | None
    episodes: int
    env: str | None
    device: str
    options: Options

    @classmethod
    def parse(cls, config: DictConfig) -> "RankConfig":
        """Check every key, and find the checkpoints.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        try:
            raw: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise UserError(str(error)) from error
        episodes = raw["episodes"]
        if episodes != 0:
            episodes = values.whole("episodes", episodes)
        return cls(
            checkpoints=_checkpoints(raw),
            trusted_class=raw["class"],
            dataset=raw.get("dataset"),
            discount=None if raw["discount"] is None else values.discount(raw["discount"]),
            episodes=episodes,
            env=raw["env"],
            device=values.device_name(raw["device"]),
            options=options_of(raw),
        )


def options_of(raw: Mapping[str, Any]) -> Options:
    """The options of an evaluation by data alone.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    critics = values.whole("critics", raw["critics"])
    if critics < 2:
        raise UserError(f"critics={critics}: an interval takes 2 at least, as in critics=8")
    return Options(
        **{key: values.whole(key, raw[key]) for key in _WHOLE},
        critics=critics,
        hidden=_hidden(raw["hidden"]),
        critic_lr=_within("critic_lr", raw["critic_lr"], 0, 1),
        target_tau=_within("target_tau", raw["target_tau"], 0, 1),
        seeds=tuple(values.seeds(raw["seed"])),
        split=_within("split", raw["split"], 0, 0.9),
        initial=values.one_of("initial", raw["initial"], INITIAL),
    )


def _within(key: str, value: Any, low: float, high: float) -> float:
    if not fits(value, float) or not low < value <= high:
        raise UserError(f"{key}={shown(value)}: must lie above {low} and up to {high}")
    return float(value)


def _hidden(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(fits(size, int) and size > 0 for size in value):
        raise UserError(f"hidden={shown(value)}: must be sizes of layers, as in hidden=[128,128]")
    return tuple(value)


def _checkpoints(raw: Mapping[str, Any]) -> tuple[Path, ...]:
    """Those that are named, and those of the runs."""
    found = [Path(name) for name in _names("checkpoints", raw["checkpoints"])]
    for path in found:
        check_checkpoint(path)
    which = _names("which", raw["which"]) or ["*"]
    for name in _names("runs", raw["runs"]):
        folder = Path(name)
        if not folder.is_dir():
            raise UserError(f"runs={folder} is not a folder: give the folder of a sweep or a run")
        every = [x for x in found_below(folder, "*.ckpt") if x.parent.name == "checkpoints"]
        chosen = [path for path in every if any(fnmatch(path.stem, one) for one in which)]
        if not chosen:
            names = ", ".join(sorted({path.stem for path in every})) or "none"
            raise UserError(
                f"runs={folder} holds no checkpoint"
                + (f" that which={','.join(which)} names: there is {names}" if every else "")
            )
        found += chosen
    if not found:
        raise UserError(
            "runs is missing: give the folder of a sweep, as in runs=outputs/sweeps/night, or "
            "checkpoints=[...]"
        )
    return tuple(dict.fromkeys(found))


def _names(key: str, value: Any) -> list[str]:
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    if not given or not all(isinstance(one, str) for one in given):
        raise UserError(f"{key}={shown(value)}: must be a name, or a list of such")
    return given
