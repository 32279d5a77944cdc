"""Trainings of ours in which the authors' code gets the same weights and the same batches."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from peers import Worker
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.commands.train import train
from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR
from ivr.nets.mlp import MLP, LayerNormStack
from ivr.training.precisions import PRECISIONS
from ivr.types import Batch

MARKS = (10, 100, 1_000, 10_000, 100_000)
"""Updates after which both are compared, besides the last."""
Named = dict[str, Tensor]
States = dict[int, Named]
"""State dicts by the number of updates done."""
Arrays = dict[str, np.ndarray]


def authors_names(algorithm: OfflineAlgorithm, run: int) -> Named:
    """The parameters of a run by the names that the authors' have: views, to be read or filled."""
    found = {}

    def add(name: str, mlp: MLP, member: int) -> None:
        for i, layer in enumerate(mlp.layers):
            found[f"{name}/Dense_{i}/kernel"] = layer.weight.data.flatten(0, -3)[member]
            found[f"{name}/Dense_{i}/bias"] = layer.bias.data.flatten(0, -3)[member, 0]
        for i, norm in enumerate(mlp.norms):
            if isinstance(norm, LayerNormStack):
                found[f"{name}/LayerNorm_{i}/scale"] = norm.scale.data[member, 0]
                found[f"{name}/LayerNorm_{i}/bias"] = norm.shift.data[member, 0]

    add("value/MLP_0", algorithm.value.mlp, run)
    for network in ("critic", "target_critic"):
        for k in range(2):
            name = f"{network}/Critic_{k}/MLP_0"
            add(name, algorithm.get_submodule(network).mlp, 2 * run + k)
    add("actor/MLP_0", algorithm.actor.mlp, run)
    last = len(algorithm.actor.mlp.layers) - 1
    for part in ("kernel", "bias"):
        found[f"actor/Dense_0/{part}"] = found.pop(f"actor/MLP_0/Dense_{last}/{part}")
    found["actor/log_stds"] = algorithm.actor.log_std.data[run, 0]
    return found


class Authors:
    """The authors' learners, one for each run, who see every batch that ours sees."""

    def __init__(self, workers: list[Worker], folder: Path, words: dict[str, Any]) -> None:
        self.workers, self.words = workers, words
        self.file = str(folder / "columns.npz")

    def begin(self, algorithm: OfflineAlgorithm, batch: Batch) -> None:
        """From the weights that ours has."""
        sizes = {"o": batch.observations.shape[-1], "a": batch.actions.shape[-1]}
        for k, worker in enumerate(self.workers):
            alpha = {} if algorithm.alpha_options else {"alpha": algorithm.alpha[k].item()}
            np.savez(self.file, **{n: x.numpy() for n, x in authors_names(algorithm, k).items()})
            worker.ask(json.dumps(["begin", self.file, {**self.words, **sizes, **alpha}]))

    def update(self, chunk: Batch) -> None:
        for k, worker in enumerate(self.workers):
            np.savez(
                self.file, observations=chunk.observations[:, k], actions=chunk.actions[:, k],
                rewards=chunk.rewards[:, k], terminals=chunk.terminated[:, k],
                next_observations=chunk.next_observations[:, k],
            )  # fmt: skip
            worker.ask(json.dumps(["update", self.file]))

    def parameters(self) -> list[Arrays]:
        """Of each run."""
        found = []
        for worker in self.workers:
            worker.ask(json.dumps(["save", self.file]))
            with np.load(self.file, allow_pickle=False) as file:
                found.append({name: file[name] for name in file.files})
        return found


class Witness(pl.Callback):
    """Keeps what a training was at the marks, and the authors' beside it."""

    def __init__(self, last: int, authors: Authors | None = None) -> None:
        self.marks = {*MARKS, last}
        self.authors = authors
        self.ours: States = {}
        self.theirs: dict[int, list[Arrays]] = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: OfflineAlgorithm, batch: Batch, *_: Any
    ) -> None:
        if self.authors and not module.updates_done:
            self.authors.begin(module, batch)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: OfflineAlgorithm, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        if self.authors:
            self.authors.update(batch)
        if module.updates_done in self.marks:
            self._keep(module)

    def _keep(self, algorithm: OfflineAlgorithm) -> None:
        done = algorithm.updates_done
        self.ours[done] = {name: x.detach().clone() for name, x in algorithm.state_dict().items()}
        if self.authors:
            self.theirs[done] = self.authors.parameters()


@contextmanager
def in_float64() -> Iterator[None]:
    """Trainings are in double precision, and without environments, which speak single."""
    with (
        patch.dict(PRECISIONS, float32="64-true"),
        patch.dict(os.environ, JAX_ENABLE_X64="1"),
        patch("ivr.commands.train.make_task", lambda *_: None),
    ):
        yield


def training(words: list[str], folder: Path, witness: Witness) -> Path:
    """Train as `python train.py WORDS` would; its last checkpoint."""
    # Chunks end at the marks, and there is one evaluation.
    words = [*words, "device=cpu", f"log_every={MARKS[0]}", "eval_every=1000000000"]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        train(compose("config", words), folder, words, callbacks=[witness])
    return folder / "checkpoints" / "last.ckpt"


def authors_words(config: TrainConfig) -> dict[str, Any]:
    """The folder of their code, and the words of their `Learner` besides alpha.

    Raises:
        SystemExit: where there is none that does the same.
    """
    algo = config.plain["algo"]
    own = own_words(algo)
    if own is None or config.protocol != "released" or config.normalize is not None:
        raise SystemExit("compared are sql, eql, iql and xql, as their authors released them")
    if algo["actor_dropout"]:
        raise SystemExit("dropout draws differently in both: algo.actor_dropout=0")
    if (algo["value_updates"] or math.inf) < config.num_updates:
        raise SystemExit("theirs trains V and Q to the end: algo.value_updates=null")
    return {
        "max_steps": config.num_updates,
        "discount": config.discount,
        "tau": algo["target_tau"],
        "hidden_dims": algo["hidden"],
        "opt_decay_schedule": "cosine" if algo["actor_lr_cosine"] else "none",
        **{f"{network}_lr": algo[f"{network}_lr"] for network in ("actor", "value", "critic")},
        **own,
    }


def own_words(algo: dict[str, Any]) -> dict[str, Any] | None:
    """The folder of a method's code, and what only this code asks for; None where there is none."""
    match algo["name"]:
        case "sql" | "eql" as name:
            layers = {"layernorm": algo["value_layer_norm"], "dropout_rate": 0}
            return {"repository": "IVR", "alg": name.upper(), **layers}
        case "iql":
            temperatures = {name: algo[name] for name in ("expectile", "temperature")}
            return {"repository": "implicit_q_learning", **temperatures}
        case "xql":
            return {
                "repository": "XQL/offline",
                "layernorm": algo["value_layer_norm"],
                "vanilla": False,
                "loss_temp": algo["temperature"],
                "temperature": algo["actor_temperature"],
                "args": {
                    "max_clip": algo["exponent_clip"], "num_v_updates": 1, "noise": False,
                    "sample_random_times": 0, "log_loss": False, "grad_pen": False,
                },
            }  # fmt: skip
    return None
