"""Does a dataset that is larger than memory train from its cache as fast as from memory?

    python benchmarks/large_data.py              # 20 million transitions: 4 GB of disk, 2 of memory
    python benchmarks/large_data.py 2000000 100  # fewer, and fewer updates a round than 200

Writes a made-up file in D4RL's format into a temporary folder, converts it, and trains SQL on it in
two processes, one on the mapped cache and one on a copy in memory, turn by turn. Prints the memory
that belongs to each process alone (RssAnon; pages of mapped files are the system's, which takes
them back when it needs them) and the ratio of their speeds. Both caches are warm: a disk is not
measured here. Linux only.
"""

import dataclasses
import logging
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import threading
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

WIDTH, ACTIONS, EPISODE = 11, 3, 1000
ROUNDS, DRAWS, BATCH, CHUNK = 5, 1000, 256, 50


def anonymous_mib() -> float:
    """Memory of this process that is no page of a file."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def now() -> np.ndarray:
    """Seconds by the clock and of this process's processor time."""
    return np.array([time.perf_counter(), time.process_time()])


class Peak:
    """The most anonymous memory while a block runs, looked at every few milliseconds."""

    def __enter__(self) -> "Peak":
        self.mib, self._ended = anonymous_mib(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            self.mib = max(self.mib, anonymous_mib())

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def write(path: Path, transitions: int) -> None:
    """Random walks of 1,000 steps, an episode at a time; a tenth of them terminate."""
    rng = np.random.default_rng(0)
    shapes = {"observations": (WIDTH,), "next_observations": (WIDTH,), "actions": (ACTIONS,)}
    block = min(10_000, transitions)
    with h5py.File(path, "w") as file:
        for name in ("observations", "next_observations", "actions", "rewards"):
            shape = (transitions, *shapes.get(name, ()))
            file.create_dataset(name, shape, "f4", chunks=(block, *shape[1:]))
        for name in ("terminals", "timeouts"):
            file.create_dataset(name, (transitions,), "?", chunks=(block,))
        for number, first in enumerate(range(0, transitions, EPISODE)):
            steps = min(EPISODE, transitions - first)
            part = slice(first, first + steps)
            actions = rng.uniform(-1, 1, (steps, ACTIONS)).astype(np.float32)
            walk = rng.standard_normal((steps + 1, WIDTH)).cumsum(0).astype(np.float32) / 30
            file["observations"][part], file["next_observations"][part] = walk[:-1], walk[1:]
            file["actions"][part] = actions
            file["rewards"][part] = walk[1:, 0] - 0.1 * np.square(actions).sum(1)
            file["timeouts" if number % 10 else "terminals"][first + steps - 1] = True


def _load(path: Path, cache: Path) -> Any:
    from ivr.data.load import load_dataset
    from ivr.data.spec import DataSpec

    spec = DataSpec(name="large", source="d4rl_hdf5", path=path, view="flat", reward="return_range")
    return load_dataset(spec, cache, progress=False)


def convert(path: Path, cache: Path, answer: Connection) -> None:
    """In a process of its own: anonymous memory before and at most, and seconds."""
    import ivr.data.load  # noqa: F401

    before, start = anonymous_mib(), time.perf_counter()
    with Peak() as peak:
        _load(path, cache)
    answer.send((before, peak.mib, time.perf_counter() - start))


def serve(path: Path, cache: Path, answer: Connection) -> None:
    """In a process of its own: bytes a transition at most, by what an algorithm asks for."""
    from ivr.data.serving.datamodule import TransitionDataModule
    from ivr.types import Needs

    asked = {
        "sql and its like": Needs(), "onestep": Needs(next_actions=True),
        "bc10": Needs(best_fraction=0.1), "rvs": Needs(outcome="return"),
    }  # fmt: skip
    for name, needs in asked.items():
        data, before = _load(path, cache), anonymous_mib()
        with Peak() as peak:
            TransitionDataModule(
                data, seeds=[0], batch_size=1, num_updates=1, chunk=1, needs=needs
            ).batches(0, 1)
        answer.send(f"{name} {(peak.mib - before) * 2**20 / data.num_transitions:.0f}")
    answer.send(None)


def train(path: Path, cache: Path, in_memory: bool, updates: int, orders: Connection) -> None:
    """In a process of its own: a round of drawing and one of training for each order."""
    warnings.filterwarnings("ignore")
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.callbacks import Callback

    from ivr.algos.ivr import ImplicitValueRegularization
    from ivr.data.serving.datamodule import TransitionDataModule

    class Clock(Callback):
        """The first chunk compiles and allocates: it is left out."""

        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.global_step == CHUNK:
                self.start = now()

    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    start = time.perf_counter()
    data = _load(path, cache)
    loading = time.perf_counter() - start
    if in_memory:
        tensors = {f.name: getattr(data, f.name) for f in dataclasses.fields(data)}
        copies = {name: t.clone() for name, t in tensors.items() if name != "info"}
        data = dataclasses.replace(data, **copies)
    algorithm = ImplicitValueRegularization(
        seeds=[0], observation_dim=WIDTH, action_low=[-1.0] * ACTIONS, action_high=[1.0] * ACTIONS,
        num_updates=10**6, order=1.0, alpha=[1.0],
    )  # fmt: skip
    orders.send(loading)
    with Peak() as peak:
        while (seed := orders.recv()) is not None:
            module = TransitionDataModule(
                data, seeds=[seed], batch_size=BATCH, num_updates=CHUNK + updates, chunk=CHUNK
            )
            start = now()
            for first in range(10**6, 10**6 + DRAWS, CHUNK):
                module.batches(first, CHUNK)
            drawing = DRAWS / (now() - start)
            clock = Clock()
            trainer = pl.Trainer(
                accelerator="cpu", max_steps=CHUNK + updates, max_epochs=-1, logger=False,
                callbacks=[clock], enable_checkpointing=False, enable_model_summary=False,
                enable_progress_bar=False,
            )  # fmt: skip
            trainer.fit(algorithm, module)
            training = updates / (now() - clock.start)
            orders.send((*drawing, *training, peak.mib))


def main(transitions: int, updates: int) -> None:
    needed = 200 * transitions
    folder = Path(tempfile.mkdtemp(prefix="ivr-large-"))
    free = shutil.disk_usage(folder).free
    context = multiprocessing.get_context("spawn")
    try:
        if free < 1.2 * needed:
            raise SystemExit(f"{folder} has {free:,} bytes free; {needed:,} are needed: set TMPDIR")
        path, cache = folder / "large.hdf5", folder / "cache"
        write(path, transitions)
        print(f"{transitions:,} transitions, {path.stat().st_size / 2**20:,.0f} MiB of HDF5")
        ours, theirs = context.Pipe()
        converting = context.Process(target=convert, args=(path, cache, theirs))
        converting.start()
        before, most, seconds = ours.recv()
        converting.join()
        print(f"converting: RssAnon {before:.0f} MiB before, {most:.0f} at most, {seconds:.0f} s")
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(path, cache, theirs), daemon=True).start()
        print(f"bytes a transition, at most: {', '.join(iter(ours.recv, None))}", flush=True)
        for file in cache.rglob("*.npy"):  # into the page cache
            with open(file, "rb") as column:
                while column.read(1 << 24):
                    pass
        rounds(context, path, cache, updates)
    finally:
        shutil.rmtree(folder)


def rounds(context: Any, path: Path, cache: Path, updates: int) -> None:
    """Mapped and in memory by turns; the order changes from round to round."""
    pipes: dict[str, Connection] = {}
    for name in ("mapped", "in memory"):
        pipes[name], theirs = context.Pipe()
        arguments = (path, cache, name == "in memory", updates, theirs)
        context.Process(target=train, args=arguments, daemon=True).start()
        print(f"{name}: the cache is open after {pipes[name].recv():.2f} s")
    found: dict[str, list[Any]] = {name: [] for name in pipes}
    for number in range(ROUNDS + 1):
        for name in sorted(pipes, reverse=bool(number % 2)):
            pipes[name].send(number)
            answer = pipes[name].recv()
            if number:  # the first round is not counted
                found[name].append(answer)
    for name, pipe in pipes.items():
        pipe.send(None)
        drawing, _, training, _, peak = zip(*found[name], strict=True)
        print(
            f"{name}: draws {statistics.median(drawing):.0f} batches/s, trains "
            f"{statistics.median(training):.0f} updates/s, RssAnon {max(peak):.0f} MiB"
        )
    measures = "drawing", "drawing (processor)", "training", "training (processor)"
    for k, what in enumerate(measures):
        pairs = zip(found["mapped"], found["in memory"], strict=True)
        ratios = [mapped[k] / memory[k] for mapped, memory in pairs]
        print(
            f"{what}: mapped / in memory {statistics.median(ratios):.2f} (median of "
            f"{len(ratios)} rounds, {min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(20_000_000, 200)[len(given) :])
