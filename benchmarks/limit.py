"""How near is an update to what this machine's products allow, and where does the rest go?

    python benchmarks/limit.py           # compiles six times; under four minutes

The limit is the rate at which the cores make products, one after another and large enough to fill
them, over the products of an update, which are counted. Ours is measured end to end, as
`throughput.py` does, and whatever the limit is held against is measured in the same rounds.
"""

import argparse
import copy
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from rounds import Rounds, machine, spread
from throughput import CHUNK, CHUNKS, STACKED_CHUNKS, data_words
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from ivr.algos.engine.adam import GraphAdam
from ivr.algos.shared.in_sample import InSampleActorCritic
from ivr.training.hardware import LARGEST_ERROR, product_error
from ivr.training.precisions import LIBRARIES
from ivr.types import Batch

SHAPES = [(8, 256), (1, 512), (1, 1024)]
"""Products of the stream, as many at once and of that size; the fastest counts."""
SECONDS = 0.06
"""Of each of them and library, in a round."""
PARTS = ["products", "other kernels", "Adam and Polyak", "calling them", "outside of the graph"]


def product_rate() -> float:
    """Floating-point operations a second of the fastest library that is exact in float32."""
    before = torch.get_float32_matmul_precision()
    exact = [name for name in LIBRARIES if product_error(name) <= LARGEST_ERROR]
    best = 0.0
    for library in exact:
        torch.set_float32_matmul_precision(LIBRARIES[library])
        for count, size in SHAPES:
            a, b, out = torch.randn(3, count, size, size)
            torch.bmm(a, b, out=out)
            started, done = time.perf_counter(), 0
            while (seconds := time.perf_counter() - started) < SECONDS or not done:
                torch.bmm(a, b, out=out)
                done += 1
            best = max(best, done * 2 * count * size**3 / seconds)
    torch.set_float32_matmul_precision(before)
    return best


class Counted(Rounds):
    """Counts the operations of the products of an update, the latest one."""

    def on_train_batch_start(self, *given: Any) -> None:
        super().on_train_batch_start(*given)
        self.counter = FlopCounterMode(display=False)
        self.counter.__enter__()

    def on_train_batch_end(self, *given: Any) -> None:
        self.counter.__exit__(None, None, None)
        super().on_train_batch_end(*given)


def count_products(words: Sequence[str]) -> float:
    """Floating-point operations of an update's products, counted in an uncompiled training."""
    found = Counted(1, 1).train(words, 1)
    return found.counter.get_total_flops()


class Inside(Rounds):
    """Measures the machine's products and the parts of an update after every round."""

    def __post_init__(self) -> None:
        self.peers = {"products": product_rate, "graph": self._graph, "parts": self._parts}
        self.kernels: list[dict[str, float]] = []
        super().__post_init__()

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Batch, *rest: Any
    ) -> None:
        assert isinstance(module, InSampleActorCritic)
        self.batches = [batch.at(i) for i in range(len(batch.rewards))]
        if not self._calls:
            self.algorithm = module
        super().on_train_batch_start(trainer, module, batch, *rest)

    def milliseconds(self) -> dict[str, list[float]]:
        """Each part of an update's time, for each round."""
        rows = zip(self.rates, self.found["graph"], self.kernels[1:], strict=True)
        found = [parts(1 / rate, 1 / graph, **kernels) for rate, graph, kernels in rows]
        return {name: [1e3 * row[name] for row in found] for name in PARTS}

    def _graph(self) -> float:
        """Calls of the compiled update a second, and nothing around them."""
        stepper = self.algorithm._stepper
        started = time.perf_counter()
        with torch.compiler.set_stance("default", skip_guard_eval_unsafe=True):
            for batch in self.batches:
                stepper._compiled(batch, stepper.adam.factors[0])
        return len(self.batches) / (time.perf_counter() - started)

    def _parts(self) -> float:
        """Compile the update once more, with a mark at each kernel, and add up their times."""
        if not self.kernels:
            stepper = self.algorithm._stepper
            self.update = marked(lambda batch, factors: stepper._with(batch, factors))
            self.steps = marked(adam_and_polyak(self.algorithm))
        factors = self.algorithm._stepper.adam.factors[0]
        seconds = kernel_seconds(lambda batch: self.update(batch, factors), self.batches)
        steps = kernel_seconds(lambda _: self.steps(factors), self.batches)
        self.kernels.append({**seconds, "steps": steps["fused"]})
        return math.nan


def parts(
    update: float, graph: float, products: float, fused: float, steps: float
) -> dict[str, float]:
    """What an update's time is made of.

    Args:
        update: seconds of an update of the training.
        graph: of a call of the graph alone.
        products, fused: of the graph's products and of its other kernels.
        steps: of those of the steps of Adam and of the target, compiled by themselves.
    """
    seconds = [products, fused - steps, steps, graph - products - fused, update - graph]
    return dict(zip(PARTS, seconds, strict=True))


def marked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile as training does, with a mark for the profiler at each kernel."""
    options = {"cpp_wrapper": True, "cpp.enable_kernel_profile": True}
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)


def adam_and_polyak(algorithm: InSampleActorCritic) -> Callable[[Tensor], None]:
    """All steps of an update's optimizers and target, on copies, gradients given."""
    networks = {n: copy.deepcopy(algorithm.get_submodule(n)) for n in algorithm.trained_networks}
    target = copy.deepcopy(algorithm.target_critic)
    adam = GraphAdam({n: torch.optim.Adam(x.parameters()) for n, x in networks.items()})
    gradients = {
        n: [torch.full_like(p, 1e-3) for p in network.parameters()]
        for n, network in networks.items()
    }

    def steps(factors: Tensor) -> None:
        adam.factor = factors
        for name, network in networks.items():
            adam.step(name, list(network.parameters()), gradients[name])
        algorithm.polyak(networks["critic"], target, algorithm.target_tau)

    return steps


def kernel_seconds(function: Callable[[Batch], Any], batches: Sequence[Batch]) -> dict[str, float]:
    """Seconds a call, in products (with the copies that they make) and in fused kernels."""
    function(batches[0])
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for batch in batches:
            function(batch)
    totals = {"products": 0.0, "fused": 0.0}
    for event in found.key_averages():
        if "cpp_fused" in event.key:
            totals["fused"] += event.cpu_time_total
        elif event.key.startswith("aoti_torch_"):
            totals["products"] += event.cpu_time_total
    return {name: 1e-6 * total / len(batches) for name, total in totals.items()}


def report(members: int, flops: float, found: Inside) -> dict[str, float]:
    """Print a table; returns its numbers for the last line."""
    machines = [rate / 1e9 for rate in found.found["products"]]
    limits = [rate / flops for rate in found.found["products"]]
    shares = [ours / limit for ours, limit in zip(found.rates, limits, strict=True)]
    print(f"\n{members} member{'s' * (members > 1)}: {flops / 1e9:.3f} GFLOP of products an update")
    rows = {"products, GFLOP/s": (machines, 0), "limit, updates/s": (limits, 1)}
    rows |= {"ours, updates/s": (found.rates, 1), "ours, share of the limit": (shares, 3)}
    for name, (values, digits) in rows.items():
        print(f"{name:32}{spread(values, digits)}")
    print("milliseconds of an update:")
    at_best = [1e3 / limit for limit in limits]
    for name, values in {"products at the limit": at_best, **found.milliseconds()}.items():
        print(f"{'  ' + name:32}{spread(values, 3)}")
    return {
        f"limit_{members}": statistics.median(limits), f"share_{members}": statistics.median(shares)
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a file in D4RL's format")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--words", nargs="*", default=[], help="more words of the command")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    words = [
        *data_words(given.data), "algo=sql", "algo.hidden=[256,256]", "device=cpu", *given.words
    ]  # fmt: skip
    print(machine())
    last: dict[str, float] = {}
    for members in given.members:
        seeded = [*words, f"seed={list(range(members))}"]
        flops = count_products([*seeded, "compile=false"])
        chunks = CHUNKS if members == 1 else STACKED_CHUNKS
        inside = Inside(chunks, given.rounds).train([*seeded, "compile=true"], CHUNK)
        last |= report(members, flops, inside)
    print("\n" + " ".join(f"{name}={value:.3f}" for name, value in last.items()))


if __name__ == "__main__":
    main()
