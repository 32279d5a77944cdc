"""Does a GPU train as the CPU does, resume exactly, never wait, and how fast? In eight minutes.

    make gpu                                                         # on the first CUDA device
    python benchmarks/gpu.py --device cpu --members 1 2 --rounds 1   # the same steps on a CPU

Four checks, then a table. (1) After a hundred updates from the same seed the weights are close to
the CPU's. (2) A run that is stopped half-way and resumed has the bits of one that was not. (3) An
update never waits for the device: it is run with torch.cuda.set_sync_debug_mode("error"). (4) The
members of a stack are the runs that their seeds alone would be. Then updates/s end to end and
memory for 1 to 256 members: eager, compiled, and compiled into CUDA graphs. The exit status is 1
where a check fails.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from rounds import Rounds, machine, spread
from torch import Tensor

from ivr.commands.train import train
from ivr.config.search import CONFIG_DIR

WORDS = ("dataset=pointmaze-medium", "algo=sql", "eval_episodes=1", "dataset.max_episode_steps=10")
CLOSE = 1e-3
"""Of a weight after a hundred updates, relative to the largest of its tensor."""


class Stop(pl.Callback):
    """Ends a training after some updates, as a kill would."""

    def __init__(self, update: int) -> None:
        self.update = update

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step >= self.update:
            raise KeyboardInterrupt


class NeverWaits(pl.Callback):
    """Raises where an update waits for the device."""

    def on_train_batch_start(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")


def weights(folder: Path, words: Sequence[str], callbacks: Sequence[pl.Callback] = ()) -> Any:
    """Train as `python train.py WORDS` would; returns the weights of last.ckpt, on the CPU."""
    given = [*WORDS, "num_updates=100", "eval_every=100", "checkpoint_every=50", *words]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        composed = compose("config", given)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        train(composed, folder, given, callbacks)
    path = folder / "checkpoints" / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def difference(a: dict[str, Tensor], b: dict[str, Tensor], member: int = 0) -> float:
    """The largest difference of a's first member and b's `member`, relative to its tensor."""
    return max(
        float((a[name][0] - b[name][member]).abs().max() / a[name][0].abs().max().clamp_min(1e-8))
        for name in a
    )


def checks(device: str) -> dict[str, tuple[bool, str]]:
    """Whether each check holds, and what was found."""
    found = {}
    on = [f"device={device}", "compile=false"]
    with tempfile.TemporaryDirectory(prefix="ivr-gpu-") as name:
        folder = Path(name)
        here = weights(folder / "here", on)
        cpu = weights(folder / "cpu", ["device=cpu", "compile=false"])
        off = difference(here, cpu)
        found["close to the CPU"] = off < CLOSE, f"largest difference {off:.1e}"
        weights(folder / "again", on, [Stop(50)])
        again = weights(folder / "again", [*on, "resume=auto"])
        same = all(torch.equal(here[key], again[key]) for key in here)
        found["resumes exactly"] = same, "equal bits" if same else "other bits"
        try:
            weights(folder / "waits", on, [NeverWaits()])
            found["never waits"] = True, "no wait inside of an update"
        except RuntimeError as error:
            found["never waits"] = False, str(error).splitlines()[0]
        finally:
            NeverWaits().on_train_batch_end()
        stack = weights(folder / "stack", [*on, "seed=[3,0,7]"])
        off = difference(here, stack, 1)
        found["members do not mix"] = off < CLOSE, f"largest difference {off:.1e}"
    return found


@contextlib.contextmanager
def cuda_graphs(wanted: bool) -> Iterator[None]:
    """Let the compiler record what it compiles as CUDA graphs."""
    import torch._inductor.config as settings

    before = settings.triton.cudagraphs
    settings.triton.cudagraphs = wanted
    try:
        yield
    finally:
        settings.triton.cudagraphs = before


def measure(device: str, members: int, rounds: int, compiled: bool, graphs: bool) -> str:
    """A row: updates/s end to end and the largest memory."""
    chunk = max(1, min(50, 512 // members))
    words = [*WORDS[:2], f"device={device}", f"seed={list(range(members))}"]
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with cuda_graphs(graphs):
        done = Rounds(max(1, 200 // chunk), rounds).train(
            [*words, f"compile={str(compiled).lower()}"], chunk
        )
    memory = torch.cuda.max_memory_allocated() >> 20 if torch.cuda.is_available() else 0
    kind = "CUDA graphs" if graphs else "compiled" if compiled else "eager"
    each = sorted(done.rates)[len(done.rates) // 2] * members
    return f"{members:>7}  {kind:12}{spread(done.rates, 1)}{each:12,.0f}{memory:9,} MiB"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--members", type=int, nargs="*", default=[1, 4, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    gpu = given.device.startswith("cuda")
    if gpu and not torch.cuda.is_available():
        sys.exit("no CUDA device here: torch.cuda.is_available() is false")
    print(machine())
    if gpu:
        print(torch.cuda.get_device_name(), torch.version.cuda)
    failed = False
    for name, (holds, what) in checks(given.device).items():
        failed |= not holds
        print(f"{'holds' if holds else 'FAILS':6} {name}: {what}", flush=True)
    print(f"\n{'members':>7}  {'':12}  updates/s (lowest to highest)  of all members   memory")
    kinds = [(False, False), (True, False), *([(True, True)] if gpu else [])]
    for members in given.members:
        for compiled, graphs in kinds:
            print(measure(given.device, members, given.rounds, compiled, graphs), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
