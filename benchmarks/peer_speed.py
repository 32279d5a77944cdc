"""The speed of others' code, a round at a time; between two it stands still.

Run by the Python of a peer's environment, with a file of columns:

    .venv-peers/bin/python benchmarks/peer_speed.py d3rlpy COLUMNS.npz THREADS
    .venv-authors/bin/python benchmarks/peer_speed.py authors COLUMNS.npz THREADS

Says its name, then reads numbers of updates, one a line, and answers each with the seconds that
they took.
"""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

BATCH = 256
Update = Callable[[], None]
Columns = dict[str, np.ndarray]


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
    """SQL of the authors' JAX code by its `Learner.update()`, on batches drawn as there."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax
    from authors import batch, learner

    agent = learner(
        "IVR", columns["observations"][:1], columns["actions"][:1],
        max_steps=1_000_000, alpha=1.0, alg="SQL", layernorm=True, dropout_rate=0,
    )  # fmt: skip

    def update() -> None:
        agent.update(batch(columns, np.random.randint(len(columns["rewards"]), size=BATCH)))

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
