"""What a run is, in plain types: checkpoints, result.json and TensorBoard each show a part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivr.algos.engine.constructors import AlgorithmSpec
from ivr.training.callbacks.result import git_commit, versions
from ivr.training.hardware import library_of
from ivr.training.members import Member

EVALUATION_SEED = 1_000_000
"""Episodes are seeded from here on: far from the seeds that people train with."""

FIXED = (
    "algo", "dataset", "noise", "subset", "normalize", "protocol", "alpha", "seed", "discount",
    "batch_size", "precision", "halving", "split", "split_seed", "best_by",
)  # fmt: skip
"""Keys of the configuration that must be the same in a run that is resumed."""


@dataclass(frozen=True)
class RunRecord:
    """What a run is, before it starts."""

    algorithm: AlgorithmSpec
    arguments: Mapping[str, Any]
    """Of the algorithm's constructor."""
    config: Mapping[str, Any]
    """The composed configuration, in plain types."""
    overrides: Sequence[str]
    """The overrides that it was composed with; a resumed run repeats them."""
    members: Sequence[Member]
    dataset: Mapping[str, Any]
    """Facts about the data that are trained on."""
    clean_fingerprint: str
    """Of the data that the Bellman error is measured on."""
    evaluation: Mapping[str, Any] | None
    """The protocol of the evaluation; None where nothing is evaluated."""
    float32_products: str
    """The `torch.set_float32_matmul_precision` of the run."""
    float32_products_rule: str
    """The rule that chose it."""
    online: Mapping[str, Any] | None = None
    """How data are collected, in a run that does."""
    stopped: Sequence[Mapping[str, Any]] = ()
    """Members that successive halving has stopped, as result.json shows them."""
    certificate: Mapping[str, Any] | None = None
    """How exactly the evaluation's environment repeats the data; see `ivr.certificate`."""

    def checkpoint(self) -> dict[str, Any]:
        """What every checkpoint keeps, as "ivr"."""
        path = f"{self.algorithm.type.__module__}.{self.algorithm.type.__qualname__}"
        return {
            "class": path,
            "arguments": dict(self.arguments),
            "config": {key: self.config[key] for key in FIXED if key in self.config},
            "overrides": list(self.overrides),
            "members": [[member.seed, member.alpha] for member in self.members],
            "stopped": [dict(member) for member in self.stopped],
            "dataset": dict(self.dataset),
            "certificate": self.certificate and dict(self.certificate),
            "float32_products": self.float32_products,
        }

    def result(self) -> dict[str, Any]:
        """The first keys of result.json, in its order."""
        config, dataset = self.config, self.dataset
        return {
            "algo": self.algorithm.name,
            "dataset": dataset["name"],
            "protocol": config["protocol"],
            "num_updates": config["num_updates"],
            "overrides": list(self.overrides),
            "dataset_fingerprint": dataset["fingerprint"],
            "dataset_source": dataset["source"],
            "transitions": dataset["transitions"],
            "split": dataset["split"],
            "observation_names": list(dataset.get("observation_names", ())),
            "action_names": list(dataset.get("action_names", ())),
            "columns": config["dataset"].get("columns"),
            **self.transforms(),
            "bellman_error_data": self.clean_fingerprint,
            "discount": config["discount"],
            "batch_size": config["batch_size"],
            "options": dict(self.algorithm.options),
            "halving": config.get("halving"),
            **({} if self.online is None else {"online": dict(self.online)}),
            "reward": config["dataset"]["reward"],
            "reward_scale": dataset["reward_scale"],
            "reward_shift": dataset["reward_shift"],
            "evaluation": self.evaluation,
            "certificate": self.certificate,
            "device": config["device"],
            "precision": config["precision"],
            "git_commit": git_commit(),
            "versions": versions(),
            "float32_products": {
                "library": library_of(self.float32_products),
                "rule": self.float32_products_rule,
            },
        }

    def transforms(self) -> dict[str, dict[str, Any]]:
        """What was asked to be done to the data, and what came of it."""
        return {
            "noise": self.config["noise"] | (self.dataset["noise"] or {}),
            "subset": self.config["subset"] | (self.dataset["subset"] or {}),
            "normalize": self.config["normalize"],
        }

    def hyperparameters(self) -> dict[str, Any]:
        """Settings for TensorBoard's table of runs."""
        names = {"algo": self.algorithm.name, "dataset": self.dataset["name"]}
        keys = ("protocol", "discount", "num_updates", "batch_size", "split")
        options = {f"algo.{name}": value for name, value in self.algorithm.options.items()}
        return names | {key: self.config[key] for key in keys} | options
