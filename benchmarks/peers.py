"""Others' code in a process and an environment of its own, which stands still between two rounds.

Run by the Python of that environment, which has the other's libraries and not ours:

    .venv-peers/bin/python benchmarks/peers.py d3rlpy COLUMNS.npz THREADS
    .venv-authors/bin/python benchmarks/peers.py authors COLUMNS.npz THREADS

Reads numbers of updates, one a line; answers each with the seconds that they took.
"""

import inspect
import logging
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 256
ROOT = Path(__file__).parents[1]
ENVIRONMENTS = {"d3rlpy": ROOT / ".venv-peers", "authors": ROOT / ".venv-authors"}
"""Folder of each peer."""
TARGETS = {"d3rlpy": "peers", "authors": "authors"}
"""Of the Makefile, that make them."""

Update = Callable[[], None]
Columns = dict[str, np.ndarray]


class Worker:
    """Runs rounds of a peer.

    Raises:
        FileNotFoundError: its environment is missing.
    """

    def __init__(self, peer: str, columns: Path, threads: int) -> None:
        python = ENVIRONMENTS[peer] / "bin" / "python"
        if not python.exists():
            raise FileNotFoundError(
                f"{peer}: {python} is missing; `make {TARGETS[peer]}` installs it"
            )
        # Neither our code nor our settings reach it.
        bare = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OMP_", "MKL_"))}
        self.process = subprocess.Popen(
            [str(python), __file__, peer, str(columns), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bare,
        )  # fmt: skip
        self.name = self._line()

    def run(self, updates: int) -> float:
        """Seconds that so many updates take."""
        assert self.process.stdin
        print(updates, file=self.process.stdin, flush=True)
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended with status {self.process.wait()}")
        return line.strip()

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


def d3rlpy_iql(columns: Columns, threads: int) -> tuple[str, Update, Update]:
    """IQL of d3rlpy, which has the networks of SQL, by its own `update()` without its logs."""
    import d3rlpy
    import torch

    torch.set_num_threads(threads)
    del columns["next_observations"]  # it takes them from the trajectories
    dataset = d3rlpy.dataset.MDPDataset(**columns)
    algorithm = d3rlpy.algos.IQLConfig(batch_size=BATCH).create(device="cpu")
    algorithm.build_with_dataset(dataset)

    def update() -> None:
        algorithm.update(dataset.sample_transition_batch(BATCH))

    return f"d3rlpy {d3rlpy.__version__}, IQL", update, lambda: None


def authors_sql(columns: Columns, threads: int) -> tuple[str, Update, Update]:
    """SQL of the authors' JAX code, by its `Learner.update()`, on batches drawn as it draws them.

    Their code is unchanged. Newer Flax gives it the frozen parameters that it expects if asked to,
    and newer JAX refuses a static argument that is named but missing, as of its `sample_actions`.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import flax
    import jax

    flax.config.update("flax_return_frozendict", True)
    jit = jax.jit

    def lenient(function: Callable[..., Any], **words: Any) -> Any:
        names = inspect.signature(function).parameters
        if "static_argnames" in words:
            words["static_argnames"] = [n for n in words["static_argnames"] if n in names]
        return jit(function, **words)

    jax.jit = lenient
    sys.path.insert(0, str(ENVIRONMENTS["authors"] / "IVR"))
    from common import Batch
    from learner import Learner

    masks = 1 - columns["terminals"]
    agent = Learner(
        0, columns["observations"][:1], columns["actions"][:1],
        max_steps=1_000_000, alpha=1.0, alg="SQL", layernorm=True, dropout_rate=0,
    )  # fmt: skip

    def update() -> None:
        rows = np.random.randint(len(masks), size=BATCH)
        agent.update(
            Batch(
                observations=columns["observations"][rows],
                actions=columns["actions"][rows],
                rewards=columns["rewards"][rows],
                masks=masks[rows],
                next_observations=columns["next_observations"][rows],
                next_actions=None,
            )
        )

    def finish() -> None:
        jax.block_until_ready((agent.actor.params, agent.target_critic.params))

    return f"authors' SQL, JAX {jax.__version__}", update, finish


def serve(peer: str, columns: Path, threads: int) -> None:
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints
    warnings.filterwarnings("ignore")
    with np.load(columns, allow_pickle=False) as file:
        loaded = {name: file[name] for name in file.files}
    build = {"d3rlpy": d3rlpy_iql, "authors": authors_sql}[peer]
    name, update, finish = build(loaded, threads)
    logging.disable(logging.WARNING)
    print(name, file=answer, flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            update()
        finish()  # what runs in the background
        print(time.perf_counter() - started, file=answer, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
