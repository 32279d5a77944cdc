"""Rounds of ivr's own training and of others by turns, in one process."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir

from ivr.commands.train import train
from ivr.config.search import CONFIG_DIR
from ivr.types import Batch

# A chunk compiles or allocates, and the next is still slow.
WARM_UP = 2


@dataclass(eq=False)
class Rounds(pl.Callback):
    """Takes part in a training: after every round of it, one of each peer, whose time is taken out.

    Args:
        chunks: chunks of updates that make a round.
        count: rounds that are counted.
        peers: each runs a round of its own and returns its updates a second.
    """

    chunks: int
    count: int
    peers: dict[str, Callable[[], float]] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    """Updates a second of the training, end to end, for each round."""
    found: dict[str, list[float]] = field(default_factory=dict)
    """Those of the peers."""
    compiling: float = 0.0
    """Seconds of the first chunk."""

    def __post_init__(self) -> None:
        self.found = {name: [] for name in self.peers}
        self._calls = self._updates = 0
        self._step_started = 0.0
        self._started = self._inside = self._whole = self._steps = 0.0

    @property
    def overhead(self) -> float:
        """The share of the training's time outside of its updates and the callbacks after them."""
        return 1 - self._steps / self._whole

    def ratios(self, peer: str, factor: float = 1.0) -> list[float]:
        """Ours over a peer's, for each round."""
        return [factor * a / b for a, b in zip(self.rates, self.found[peer], strict=True)]

    def on_train_batch_start(self, *_: Any) -> None:
        self._before()
        self._step_started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        self._after(time.perf_counter() - self._step_started, len(batch.rewards))

    def _before(self) -> None:
        counted = self._calls - WARM_UP
        if counted < 0 or counted % self.chunks or len(self.rates) == self.count:
            return
        if counted:
            seconds = time.perf_counter() - self._started
            self.rates.append(self._updates / seconds)
            self._whole, self._steps = self._whole + seconds, self._steps + self._inside
        for name, peer in self.peers.items():
            rate = peer()
            if counted:  # the first is its warm-up
                self.found[name].append(rate)
        self._updates, self._inside = 0, 0.0
        self._started = time.perf_counter()

    def _after(self, seconds: float, updates: int) -> None:
        self._calls += 1
        if self._calls == 1:
            self.compiling = seconds
        self._updates += updates
        self._inside += seconds

    def train(self, words: Sequence[str], chunk: int) -> "Rounds":
        """Train as `python train.py WORDS` would, for as long as the rounds take.

        Logs and saves once a round, which is more often than by default.
        """
        round_ = self.chunks * chunk
        updates = (WARM_UP + self.chunks * self.count + 1) * chunk
        words = [
            *words, f"num_updates={updates}", f"log_every={round_}", f"checkpoint_every={round_}",
            f"eval_every={updates}", "eval_episodes=1", "dataset.max_episode_steps=10",
        ]  # fmt: skip
        with (
            tempfile.TemporaryDirectory(prefix="ivr-benchmark-") as folder,
            initialize_config_dir(str(CONFIG_DIR), version_base="1.3"),
        ):
            # The optimizers are told of the whole run, the clock stops before the evaluation.
            train(compose("config", words), Path(folder), words, callbacks=[self])
        assert len(self.rates) == self.count
        return self


def timed(update: Callable[[], None], updates: int) -> Callable[[], float]:
    """A peer of this process, whose products are made as PyTorch makes them by default.

    Which library multiplies, and in which precision, are settings of the whole process that ours
    chooses.
    """

    def run() -> float:
        chosen = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        with torch.autocast("cpu", enabled=False):
            started = time.perf_counter()
            for _ in range(updates):
                update()
            seconds = time.perf_counter() - started
        torch.set_float32_matmul_precision(chosen)
        return updates / seconds

    return run


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, lowest and highest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:8.{digits}f}  ({low:.{digits}f} to {high:.{digits}f})"


def machine() -> str:
    """What stands beside every table."""
    from ivr.training.callbacks.result import git_commit, versions

    names = ("torch", "pytorch-lightning", "numpy")
    found = versions()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "CPU")
    return (
        f"{model}, {len_cores()} cores, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}; Python {found['python']}, "
        f"{', '.join(f'{name} {found[name]}' for name in names)}; commit {git_commit()}"
    )


def len_cores() -> int:
    """Cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
