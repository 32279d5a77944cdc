"""What a run online starts from: an offline run's checkpoint, or a dataset alone."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.config.dataset import parse_dataset
from ivr.config.online.spec import FinetuneConfig
from ivr.config.recorded import recorded_data
from ivr.data.facts import basic_facts
from ivr.data.opening import within
from ivr.data.prepare import Prepared, prepare
from ivr.errors import UserError
from ivr.evaluation.task.build import Task, bounds_of, make_task
from ivr.training.checkpoints import load_policy, load_resumable
from ivr.training.members import Member

DISCOUNT = 0.99
"""Of a run without a checkpoint."""


@dataclass(frozen=True)
class Origin:
    """Where a run online comes from."""

    description: Mapping[str, Any]
    """Of the offline run, or of the run that is resumed, as its checkpoint has it."""
    policy: OfflineAlgorithm | None
    """The offline algorithm; None for a run that is resumed, or that starts without one."""
    resumed: bool
    updates_done: int
    """Of the run that is resumed."""
    data: Prepared
    task: Task
    start: str | None = None
    """What the offline run was, but for its seeds; None of a run that starts without one."""

    @property
    def members(self) -> list[Member]:
        """One for each run."""
        return [Member(*pair) for pair in self.description["members"]]

    @property
    def spread(self) -> float:
        """The range of returns that losses of return are measured by.

        Where success alone is paid, with 1, it is 1: D4RL's walks go on at the goal, and add up to
        more than an episode in the environment can.
        """
        info, rewards = self.data.training.info, self.data.training.rewards
        if self.task.metric == "success":
            paid = (torch.stack(rewards.aminmax()) - info.reward_shift) / info.reward_scale
            if paid.round(decimals=4).tolist() in ([0, 1], [0, 0], [1, 1]):
                return 1.0
        if self.task.reference is not None:
            return self.task.reference[1] - self.task.reference[0]
        found = self.data.training.episode_returns
        return float(found.max() - found.min()) or 1.0


def find_origin(config: FinetuneConfig, resumed_from: Path | None) -> Origin:
    """Load what a run starts from.

    Raises:
        UserError: there is none, its data are not available, or it has no environment.
    """
    policy: OfflineAlgorithm | None = None
    done = 0
    if resumed_from is not None:
        content = load_resumable(resumed_from)
        description, done = content["ivr"], content["updates_done"]
        if type(done) is not int:
            raise UserError(f"resume={resumed_from} is damaged: updates_done={done!r}")
    elif config.checkpoint is not None:
        policy, content = load_policy(Path(config.checkpoint), config.trusted_class)
        description = content["ivr"]
    elif config.dataset is not None:
        description = _without_checkpoint(config, config.dataset)
    else:
        raise UserError("checkpoint is missing: resume=auto found nothing to resume")
    trusted = config.env
    if trusted is None and resumed_from is None and config.dataset is not None:
        trusted = config.dataset.get("env")  # no file says it: it was typed
    data, task = _data_and_task(description, trusted)
    start = description["config"]["algo"].get("start") if resumed_from is not None else None
    if policy is not None:
        start = _start(description, Path(str(config.checkpoint)).stem)
    return Origin(description, policy, resumed_from is not None, done, data, task, start)


_OFFLINE = (
    "algo",
    "protocol",
    "num_updates",
    "batch_size",
    "discount",
    "normalize",
    "noise",
    "subset",
)
"""What an offline run was, besides its data, seeds and alphas."""


def _start(description: Mapping[str, Any], which: str) -> str:
    """Name an offline run by its algorithm, whether best or last, and a digest of its settings."""
    of = {key: description["config"].get(key) for key in _OFFLINE}
    digest = hashlib.sha256(json.dumps(of, sort_keys=True, default=str).encode()).hexdigest()
    return f"{of['algo']['name']} {which} {digest[:8]}"


def _without_checkpoint(config: FinetuneConfig, node: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint would say of the run, were there one.

    Raises:
        UserError: the data are not available, or this way online needs an offline run.
    """
    if config.online["name"] != "rlpd":
        raise UserError(
            f"online={config.online['name']} starts from an offline run: give its checkpoint=... "
            "(online=rlpd starts without one)"
        )
    data_spec, task_spec = parse_dataset(node)
    dataset = prepare(within(data_spec, lambda: bounds_of(task_spec))).training
    none = {"name": "none"}
    return {
        "config": {
            "dataset": dict(node),
            **dict.fromkeys(("noise", "subset", "normalize"), none),
            "protocol": "released",
            "alpha": None,
            "seed": config.seed,
            "discount": DISCOUNT,
        },
        "arguments": {
            "observation_dim": dataset.observation_dim,
            "action_low": list(dataset.info.action_low),
            "action_high": list(dataset.info.action_high),
            "seeds": config.seed,
            "discount": DISCOUNT,
        },
        "members": [[seed, None] for seed in config.seed],
        "dataset": dataclasses.asdict(dataset.info) | {"observation_dim": dataset.observation_dim},
    }


def _data_and_task(description: dict[str, Any], env: str | None) -> tuple[Prepared, Task]:
    """What the offline run was trained on, and the environment that it was evaluated in, or `env`.

    Raises:
        UserError: they are not available, or not what they were.
    """
    data, task_spec = recorded_data(description, env)
    info = data.training.info
    task = make_task(task_spec, basic_facts(data.training), info.env_spec)
    if task is None:
        raise UserError(
            "this run names no environment, so there is nowhere to go online: name one with env=..."
        )
    return data, task
