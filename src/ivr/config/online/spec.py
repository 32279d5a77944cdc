"""The configuration of `python finetune.py`, checked and turned into plain types."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ivr.config import doors, values
from ivr.config.fields import fits
from ivr.config.options import OF_SWEEP
from ivr.data.serving.schedule import Schedule
from ivr.errors import UserError, nearest
from ivr.training.precisions import LIBRARIES, PRECISIONS

WARMUP_STEPS, WARMUP_EPISODES = 5000, 10
"""The smaller of the two is the default of warmup_steps."""

_WHOLE = (
    "num_steps", "updates_per_step", "collect_every", "batch_size", "eval_every", "eval_episodes",
    "checkpoint_every", "log_every",
)  # fmt: skip
_WHOLE_OR_NONE = ("warmup_steps", "replay_capacity")
_PATHS = ("checkpoint", "class", "resume")


@dataclass(frozen=True)
class FinetuneConfig:
    """One run online; numbers are environment steps of each member unless said."""

    checkpoint: str | None
    dataset: Mapping[str, Any] | None
    """The node `dataset`, of a run that starts without a checkpoint."""
    seed: list[int]
    """Seeds of the members of a run that starts without a checkpoint."""
    trusted_class: str | None
    """The algorithm's class, where the checkpoint names one outside of ivr.algos."""
    env: str | None
    """Another environment than the checkpoint's, or the same where it would import a module."""
    online: Mapping[str, Any]
    """The node `online`: name, class, and options of the class."""
    num_steps: int
    warmup_steps: int | None
    updates_per_step: int
    collect_every: int
    offline_share: tuple[float, float]
    replay_capacity: int | None
    """Transitions of each member."""
    brake: bool
    batch_size: int
    eval_every: int
    eval_episodes: int
    eval_errors: str
    checkpoint_every: int
    log_every: int
    device: str
    compile: str
    precision: str
    float32_products: str
    resume: str | None

    @classmethod
    def parse(cls, config: DictConfig) -> "FinetuneConfig":
        """Check every key.

        Raises:
            UserError: naming the key, its value, and what is allowed.
        """
        try:
            raw: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise UserError(str(error)) from error
        if raw.get("num_updates") is not None:
            raise UserError(
                f"num_updates={raw['num_updates']}: the length of a run online is num_steps=..., "
                "with updates_per_step for each of them"
            )
        others = (*doors.NODES, *OF_SWEEP, "num_updates")
        raw = {key: value for key, value in raw.items() if key not in others}
        for key in raw:
            if key not in _KEYS:
                raise UserError(f"unknown key {key}{nearest(str(key), _KEYS)}")
        for key in _PATHS:
            if raw[key] is not None and not isinstance(raw[key], str):
                raise UserError(f"{key}={raw[key]}: must be a path, or null")
        dataset = raw.get("dataset")
        if raw["checkpoint"] is None and dataset is None and not raw["resume"]:
            raise UserError(
                "checkpoint is missing: give the last.ckpt or best.ckpt of an offline run, as in "
                "checkpoint=outputs/.../checkpoints/last.ckpt"
            )
        for key in ("dataset", "seed"):
            if raw["checkpoint"] is not None and raw.get(key) is not None:
                raise UserError(f"{key}: those of the checkpoint are taken, leave {key} out")
        if not isinstance(raw["brake"], bool):
            raise UserError(f"brake={raw['brake']}: must be true or false")
        whole: dict[str, Any] = {key: values.whole(key, raw[key]) for key in _WHOLE}
        for key in _WHOLE_OR_NONE:
            whole[key] = None if raw[key] is None else values.whole(key, raw[key])
        block = whole["collect_every"]
        for key in ("num_steps", "warmup_steps", "eval_every", "checkpoint_every", "log_every"):
            if whole[key] is not None and whole[key] % block:
                raise UserError(f"{key}={whole[key]}: must be a multiple of collect_every={block}")
        return cls(
            checkpoint=raw["checkpoint"],
            dataset=dataset,
            seed=values.seeds(0 if raw["seed"] is None else raw["seed"]),
            trusted_class=raw["class"],
            env=values.text_or_null("env", raw["env"]),
            online=raw["online"],
            offline_share=_shares(raw["offline_share"]),
            brake=raw["brake"],
            eval_errors=values.one_of("eval_errors", raw["eval_errors"], ("stop", "continue")),
            device=values.device(
                str(raw["device"]), OmegaConf.select(config, "trainer.accelerator")
            ),
            compile=values.one_of("compile", raw["compile"], ("auto", "true", "false")),
            precision=values.one_of("precision", raw["precision"], tuple(PRECISIONS)),
            float32_products=values.one_of(
                "float32_products", raw["float32_products"], ("auto", *LIBRARIES)
            ),
            resume=raw["resume"] or None,
            **whole,
        )


_KEYS = {field.name for field in fields(FinetuneConfig)} - {"trusted_class"} | {"class"}


def _shares(value: Any) -> tuple[float, float]:
    """Of offline data in a batch, at the first and the last update.

    Raises:
        UserError: for anything but two numbers between 0 and 1.
    """
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(fits(share, float) and 0 <= share <= 1 for share in value)
    ):
        raise UserError(
            f"offline_share={value}: must be two numbers between 0 and 1, as in [0.5,0.25]"
        )
    return float(value[0]), float(value[1])


def schedule_of(config: FinetuneConfig, limit: int) -> Schedule:
    """When what is collected, given the time limit of an episode.

    Raises:
        UserError: numbers of steps or updates that do not fit each other.
    """
    block = config.collect_every
    warmup = config.warmup_steps
    if warmup is None:
        warmup = min(WARMUP_STEPS, WARMUP_EPISODES * limit) // block * block
    if config.num_steps <= warmup:
        raise UserError(
            f"num_steps={config.num_steps}: must be more than warmup_steps, which is {warmup}"
        )
    capacity = config.replay_capacity
    if capacity is not None and capacity < limit + block:
        raise UserError(
            f"replay_capacity={capacity}: must be at least {limit + block}, the time limit of an "
            "episode and collect_every: a run that is resumed takes an episode's steps again"
        )
    return Schedule(
        offline_updates=_offline_updates(config),
        warmup_steps=warmup,
        num_steps=config.num_steps,
        block=block,
        updates_per_step=config.updates_per_step,
        offline_share=config.offline_share,
    )


def check_longer(config: FinetuneConfig, schedule: Schedule, updates_done: int) -> None:
    """Refuse a number of steps that a run which is resumed has passed.

    More than it was begun with is allowed: what grows or falls over the run (offline_share, the KL
    budget, the slack of the gate) goes on where the longer run has it.

    Raises:
        UserError: it has taken more steps already.
    """
    if schedule.num_updates < updates_done:
        online = max(0, updates_done - schedule.offline_updates)
        taken = schedule.warmup_steps + online // schedule.updates_per_step
        raise UserError(
            f"num_steps={config.num_steps}: the run that is resumed has taken {taken:,} steps "
            "already. Give at least that; more makes it a longer run"
        )


def _offline_updates(config: FinetuneConfig) -> int:
    """Updates before the first step.

    Raises:
        UserError: they do not end with a block.
    """
    node = config.online
    keys = ["evaluation_updates"] if "evaluation_updates" in node else []
    if node.get("remodel") == "fqe_align":
        keys.append("alignment_updates")
    count = sum(values.whole(f"online.{key}", node[key], least=0) for key in keys)
    block = config.collect_every * config.updates_per_step
    if count % block:
        raise UserError(
            f"online.evaluation_updates + online.alignment_updates = {count}: must be a multiple "
            f"of collect_every x updates_per_step, which is {block}"
        )
    return count
