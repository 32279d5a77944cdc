"""Do ours and the authors' code learn the same? From the same weights, by the same batches.

    python benchmarks/agreement.py algo=sql 'seed=[0,1,2]'     # the words of train.py

Ours is trained by the command itself. At every update the authors' `Learner`, unchanged, gets the
batch that ours got, and now and then V, Q and the policy of both are compared over the data; in the
end both are scored in the same episodes. Rounding differs, and any difference grows in a training:
how far ours without compiling is from ours stands beside it as a measure. `make authors` installs
the other side.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from peers import Worker
from rounds import machine
from torch import Tensor

from ivr.algos.base import OfflineAlgorithm
from ivr.cli import CONFIG_DIR
from ivr.config import TrainConfig
from ivr.data.load import load_dataset
from ivr.errors import UserError
from ivr.evaluation.rollout import EnvironmentPool, evaluate
from ivr.nets.mlp import MLP, LayerNormStack
from ivr.run import EVALUATION_SEED, build_task, train
from ivr.training.checkpoints import load_policy
from ivr.training.evaluation import describe, scores
from ivr.types import Batch

MARKS = (10, 100, 1_000, 10_000, 100_000)
"""Updates after which both are compared, besides the last."""
PROBED = 5_000
"""Transitions that they are compared on."""

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
            alpha = algorithm.alpha[k].item()
            np.savez(self.file, **{n: x.numpy() for n, x in authors_names(algorithm, k).items()})
            worker.ask(json.dumps(["begin", self.file, {**self.words, **sizes, "alpha": alpha}]))

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


class Witness:
    """Keeps what a training was at the marks, and the authors' beside it."""

    def __init__(self, last: int, authors: Authors | None = None) -> None:
        self.marks = {*MARKS, last}
        self.authors = authors
        self.ours: States = {}
        self.theirs: dict[int, list[Arrays]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While the block runs."""
        original = OfflineAlgorithm.training_step

        def training_step(algorithm: OfflineAlgorithm, chunk: Batch, batch_index: int) -> None:
            if self.authors and not algorithm.updates_done:
                self.authors.begin(algorithm, chunk)
            original(algorithm, chunk, batch_index)
            if self.authors:
                self.authors.update(chunk)
            if algorithm.updates_done in self.marks:
                self._keep(algorithm)

        OfflineAlgorithm.training_step = training_step  # type: ignore[method-assign]
        try:
            yield
        finally:
            OfflineAlgorithm.training_step = original  # type: ignore[method-assign]

    def _keep(self, algorithm: OfflineAlgorithm) -> None:
        done = algorithm.updates_done
        self.ours[done] = {name: x.detach().clone() for name, x in algorithm.state_dict().items()}
        if self.authors:
            self.theirs[done] = self.authors.parameters()


def training(words: list[str], folder: Path, witness: Witness) -> Path:
    """Train as `python train.py WORDS` would; its last checkpoint."""
    # Chunks end at the marks, and there is one evaluation.
    words = [*words, "device=cpu", f"log_every={MARKS[0]}", "eval_every=1000000000"]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"), witness.watching():
        train(compose("config", words), folder, words)
    return folder / "checkpoints" / "last.ckpt"


def authors_words(config: TrainConfig) -> dict[str, Any]:
    """Of their `Learner`, besides alpha.

    Raises:
        SystemExit: where they have nothing of the kind.
    """
    algo = config.algo
    kind = {"sql": "SQL", "eql": "EQL"}.get(algo["name"])
    if kind is None or config.protocol != "released" or config.normalize["name"] != "none":
        raise SystemExit("the authors' code has algo=sql and algo=eql alone, protocol=released")
    if algo["actor_dropout"]:
        raise SystemExit("dropout draws differently in both: algo.actor_dropout=0")
    return {
        "alg": kind,
        "max_steps": config.num_updates,
        "discount": config.discount,
        "tau": algo["target_tau"],
        "hidden_dims": algo["hidden"],
        **{f"{name}_lr": algo[f"{name}_lr"] for name in ("actor", "value", "critic")},
    }


def looks(policy: OfflineAlgorithm, state: Named, data: Batch) -> dict[str, Tensor]:
    """V, Q and the policy's actions over transitions (R, N, ...)."""
    policy.load_state_dict(state)
    return {
        "V": policy.value_of(data.observations),
        "Q": policy.critic(data.observations, data.actions),
        "action": policy.mode(data.observations),
    }


def distance(one: Tensor, other: Tensor) -> float:
    """Root mean square of the difference over the spread of the first; the largest of the runs."""
    one, other = one.flatten(1), other.flatten(1)
    return float(((one - other).square().mean(1).sqrt() / one.std(1)).max())


def filled(policy: OfflineAlgorithm, parameters: list[Arrays]) -> Named:
    """The state dict of a policy with the authors' parameters."""
    for run, given in enumerate(parameters):
        own = authors_names(policy, run)
        assert own.keys() == given.keys()
        for name, tensor in own.items():
            tensor.copy_(torch.from_numpy(given[name]))
    return {name: x.clone() for name, x in policy.state_dict().items()}


def distances(policy: OfflineAlgorithm, ours: States, others: list[States], data: Batch) -> str:
    """A row for each mark, with three columns for each of the others."""
    rows = [f"{'updates':>9}" + len(others) * f"  {'V':>8}{'Q':>8}{'action':>8}"]
    for done, state in ours.items():
        reference = looks(policy, state, data)
        shown = []
        for other in others:
            found = looks(policy, other[done], data)
            shown.append("".join(f"{distance(reference[n], found[n]):8.0e}" for n in reference))
        rows.append(f"{done:9,}  " + "  ".join(shown))
    return "\n".join(rows)


def main(words: list[str]) -> None:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = TrainConfig.parse(compose("config", words))
    asked = authors_words(config)
    runs = len(config.seed) * len(config.alpha)
    with tempfile.TemporaryDirectory(prefix="ivr-agreement-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        workers = [Worker("authors", "authors.py") for _ in range(runs)]
        for worker in workers:
            stack.callback(worker.close)
        both = Witness(config.num_updates, Authors(workers, folder, asked))
        last = training(words, folder / "ours", both)
        again = Witness(config.num_updates)
        training([*words, "compile=false"], folder / "again", again)
        policy, content = load_policy(last)
    description = content["ivr"]
    theirs = {done: filled(policy, found) for done, found in both.theirs.items()}
    data = load_dataset(**description["config"]["dataset"], progress=False)
    probe = data.gather(torch.linspace(0, data.num_transitions - 1, PROBED).long()[None])
    probe = probe.each(lambda x: x.expand(runs, *x.shape[1:]))
    print(f"{machine()}\n{workers[0].name}; {data.info.name}, {' '.join(words)}\n")
    print("distance from ours, as a share of the spread over the data; the largest of the runs")
    print(f"{'':9}  {'authors':^24}  {'ours, not compiled':^24}")
    print(distances(policy, both.ours, [theirs, again.ours], probe))
    task = build_task(description["config"]["dataset"], description["dataset"])
    if task is None:
        return
    print(f"\nlast scores in the same {config.eval_episodes} episodes, by run")
    trained = {"ours": both.ours, "authors": theirs, "not compiled": again.ours}
    with EnvironmentPool(task) as pool:
        for name, states in trained.items():
            policy.load_state_dict(states[config.num_updates])
            found = evaluate(
                pool, policy, members=runs, episodes=config.eval_episodes, seed=EVALUATION_SEED
            )
            print(f"{name:14}" + ", ".join(describe(score) for score in scores(found)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UserError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
