"""Do ours and the authors' code learn the same? From the same weights, by the same batches.

    python benchmarks/agreement.py --float64 algo=sql num_updates=1000     # the words of train.py
    python benchmarks/agreement.py algo=sql 'seed=[0,1,2]' compile=true    # or algo=eql, iql, xql

Ours is trained by the command itself. At every update the authors' `Learner`, unchanged, gets the
batch that ours got, and now and then V, Q and the policy of both are compared over the data. In
double precision they differ by its rounding. In single precision rounding grows, as it does in any
training: how far ours without compiling is from ours stands beside it as a measure, and in the end
all are scored in the same episodes. `make authors` installs the other side.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from peers import Worker
from rounds import machine
from side_by_side import (
    Arrays,
    Authors,
    Named,
    States,
    Witness,
    authors_names,
    authors_words,
    in_float64,
    training,
)  # fmt: skip
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.commands.train import EVALUATION_SEED
from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR
from ivr.data.facts import basic_facts
from ivr.data.load import load_dataset
from ivr.errors import UserError
from ivr.evaluation.rollout import EnvironmentPool, evaluate
from ivr.evaluation.task.build import make_task
from ivr.training.checkpoints import load_policy
from ivr.training.scoring.scores import describe, scores
from ivr.types import Batch

PROBED = 5_000
"""Transitions that they are compared on."""


def looks(policy: OfflineAlgorithm, state: Named, data: Batch) -> dict[str, Tensor]:
    """V, Q and the policy's actions over transitions (R, N, ...)."""
    policy.load_state_dict(state)
    data = data.each(lambda x: x.to(policy.dtype))
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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--float64", action="store_true", help="train both in double precision")
    parser.add_argument("words", nargs="*", help="of train.py")
    given = parser.parse_intermixed_args(arguments)
    words = [*given.words, "compile=false"] if given.float64 else given.words
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = TrainConfig.parse(compose("config", words))
    asked = authors_words(config)
    runs = len(config.seed) * len(config.alpha or [None])
    with tempfile.TemporaryDirectory(prefix="ivr-agreement-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        if given.float64:
            stack.enter_context(in_float64())
        workers = [Worker("authors", "authors.py") for _ in range(runs)]
        for worker in workers:
            stack.callback(worker.close)
        both = Witness(config.num_updates, Authors(workers, folder, asked))
        last = training(words, folder / "ours", both)
        again = Witness(config.num_updates)
        if not given.float64:
            training([*words, "compile=false"], folder / "again", again)
        policy, _ = load_policy(last)
    if given.float64:
        policy = policy.double()
    theirs = {done: filled(policy, found) for done, found in both.theirs.items()}
    others = {"authors": theirs}
    if not given.float64:
        others["ours, not compiled"] = again.ours
    data = load_dataset(config.data, progress=False)
    probe = data.gather(torch.linspace(0, data.num_transitions - 1, PROBED).long()[None])
    probe = probe.each(lambda x: x.expand(runs, *x.shape[1:]))
    print(f"{machine()}\n{workers[0].name}; {data.info.name}, {' '.join(words)}")
    print(f"{'float64' if given.float64 else 'float32'}\n")
    print("distance from ours, as a share of the spread over the data; the largest of the runs")
    print(" " * 9 + "".join(f"  {name:^24}" for name in others))
    print(distances(policy, both.ours, list(others.values()), probe))
    task = make_task(config.task, basic_facts(data), data.info.env_spec)
    if task is None or given.float64:
        return
    print(f"\nlast scores in the same {config.eval_episodes} episodes, by run")
    with EnvironmentPool(task) as pool:
        for name, states in {"ours": both.ours, **others}.items():
            policy.load_state_dict(states[config.num_updates])
            found = evaluate(
                pool, policy, members=runs, episodes=config.eval_episodes, seed=EVALUATION_SEED
            )
            print(f"{name:20}" + ", ".join(describe(score) for score in scores(found)))


if __name__ == "__main__":
    try:
        main()
    except (UserError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
