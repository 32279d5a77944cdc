"""How many updates a second, against a textbook loop and others' code? Ratios from one run.

    python benchmarks/throughput.py                    # compiles twice; three minutes
    python benchmarks/throughput.py --data FILE.hdf5   # any file in D4RL's format

Ours is measured end to end in real trainings: Trainer, logs, progress bar and checkpoints are on,
and only the evaluation is left out. Rounds take turns, so that whatever else the machine does
slows all alike; a ratio is the median over the rounds of ours over the other's beside it. Without
--data the file is hopper-medium.hdf5 in IVR_SHARED_DATA, or else our own pointmaze-medium.
`make peers` installs d3rlpy and `make authors` the authors' JAX code, for a row each.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from peers import ENVIRONMENTS, Worker
from rounds import Rounds, machine, spread, timed
from textbook import Textbook

from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR
from ivr.data.dataset import OfflineDataset
from ivr.data.load import load_dataset

MEMBERS = 8
CHUNK = 50
CHUNKS, STACKED_CHUNKS = 8, 4
"""Of a round, after which a log and a checkpoint are written."""


def data_words(path: Path | None) -> list[str]:
    """The words of the command that choose the data."""
    shared = Path(os.environ.get("IVR_SHARED_DATA", "../shared/data")) / "hopper-medium.hdf5"
    path = path or (shared if shared.exists() else None)
    if path is None:
        return ["dataset=pointmaze-medium"]
    return ["dataset=d4rl_hdf5", f"dataset.path={path.resolve()}", "dataset.reward=return_range"]


def load(words: list[str]) -> OfflineDataset:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return load_dataset(TrainConfig.parse(compose("config", words)).data)


def textbook(data: OfflineDataset, hidden: int = 256) -> Textbook:
    s = data.observations
    return Textbook(
        s[data.rows], data.actions, data.rewards, data.terminated.float(), s[data.rows + 1], hidden
    )


def write_columns(data: OfflineDataset, path: Path) -> None:
    """As others take them."""
    ended = data.terminated.numpy().astype(np.float32)
    cut = (data.truncated.numpy() & ~data.terminated.numpy()).astype(np.float32)
    cut[-1] = 1 - ended[-1]
    s = data.observations
    np.savez(
        path, observations=s[data.rows].numpy(), next_observations=s[data.rows + 1].numpy(),
        actions=data.actions.numpy(), rewards=data.rewards.numpy(), terminals=ended, timeouts=cut,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a file in D4RL's format")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--updates", type=int, default=100, help="of a round of the others")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", default="float32", help="of ours: float32 or bf16")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    words = [
        *data_words(given.data), "algo=sql", "algo.hidden=[256,256]", "device=cpu",
        f"precision={given.precision}",
        f"compile={str(not given.no_compile).lower()}",
    ]  # fmt: skip
    data = load(words)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        peers = {"textbook": timed(textbook(data).update, given.updates)}
        workers, absent = {}, []
        columns = Path(folder) / "columns.npz"
        write_columns(data, columns)
        fewer = max(1, given.updates // 2)
        for name in ENVIRONMENTS:
            try:
                worker = workers[name] = Worker(name, "peer_speed.py", name, columns, given.threads)
            except FileNotFoundError as error:
                absent.append(str(error))
                continue
            stack.callback(worker.close)
            peers[worker.name] = lambda worker=worker: fewer / float(worker.ask(fewer))
        alone = Rounds(CHUNKS, given.rounds, peers).train([*words, "seed=0"], CHUNK)
        stacked = Rounds(STACKED_CHUNKS, given.rounds, {"textbook": peers["textbook"]})
        stacked.train([*words, f"seed={list(range(MEMBERS))}"], CHUNK)
    print(machine())
    print(
        f"{data.info.name}: {data.num_transitions:,} transitions; medians of {given.rounds} rounds"
    )
    rates = {"ivr, one member": alone.rates, f"ivr, {MEMBERS} members": stacked.rates}
    rates |= {name: found for name, found in alone.found.items()}
    print(f"\n{'':32}  updates/s (lowest to highest)")
    for name, values in rates.items():
        print(f"{name:32}{spread(values, 1)}")
    ratios = {
        "textbook_ratio": alone.ratios("textbook"),
        "stack8_ratio": stacked.ratios("textbook", MEMBERS),
    }
    ratios |= {f"{name}_ratio": alone.ratios(worker.name) for name, worker in workers.items()}
    print(f"\n{'':32}  ratio (lowest to highest)")
    for name, values in ratios.items():
        print(f"{name:32}{spread(values)}")
    for line in absent:
        print(line)
    print(f"first chunk, compiling: {alone.compiling:.0f} s and {stacked.compiling:.0f} s")
    print(
        f"time outside of updates and the callbacks after them: {alone.overhead:.1%}, and "
        f"{stacked.overhead:.1%} with "
        f"{MEMBERS} members; a log and a checkpoint every {CHUNKS * CHUNK} and "
        f"{STACKED_CHUNKS * CHUNK} updates\n"
    )
    textbook_ratio, stack8_ratio = (
        statistics.median(ratios[name]) for name in ("textbook_ratio", "stack8_ratio")
    )
    print(
        f"textbook_ratio={textbook_ratio:.2f} stack8_ratio={stack8_ratio:.2f} "
        f"trainer_overhead={alone.overhead:.3f}"
    )


if __name__ == "__main__":
    main()
