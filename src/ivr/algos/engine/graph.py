"""A whole update as one compiled graph: losses, gradients, Adam's steps and target networks."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ivr import random
from ivr.algos.engine.adam import GraphAdam
from ivr.algos.engine.eager import EagerStepper
from ivr.algos.engine.records import Record
from ivr.algos.engine.stepper import Loss, Turn, Update
from ivr.types import Batch


class GraphStepper:
    """Compiles an update at its first call, once for each set of networks that step.

    Where the compiler fails, it warns once, and the updates run eagerly from there on.

    Args:
        update: what is compiled; it steps networks through `step`.
        eager: the stepper that takes over, whose optimizers keep the state.
        device: where the networks are.
    """

    def __init__(self, update: Update, eager: EagerStepper, device: torch.device) -> None:
        import torch._dynamo

        # Gradients are taken inside the graph, and the keys of random streams are part of it.
        torch._dynamo.config.trace_autograd_ops = True
        torch._dynamo.assume_constant_result(random.key)  # type: ignore[no-untyped-call]
        self.compiles = True
        """Whether the compiler has not failed so far."""
        self.trains = True
        self.eager = eager
        self.adam = GraphAdam({name: o.optimizer for name, o in eager.optimizers.items()})
        self._update = update
        # A wrapper in C++ launches the kernels faster than one in Python.
        options: dict[str, Any] | None = {"cpp_wrapper": True} if device.type == "cpu" else None
        self._compiled = torch.compile(self._with, fullgraph=True, dynamic=False, options=options)
        self._known: set[tuple[str, ...]] = set()
        self._turns: Sequence[Turn] = ()

    @staticmethod
    def possible() -> bool:
        """Whether this torch can trace gradients."""
        import torch._dynamo

        return hasattr(torch._dynamo.config, "trace_autograd_ops")

    @property
    def measures_gradients(self) -> bool:
        """Always in a graph, where it costs nothing."""
        return self.compiles or self.eager.measures_gradients

    def begin(self, turns: Sequence[Turn]) -> None:
        """Prepare a chunk of as many updates as there are turns."""
        self._turns = turns
        self.eager.begin(turns)
        if self.compiles:
            self.adam.begin(turns)

    def update(self, batch: Batch, i: int) -> Record:
        """Run the i-th update of the chunk, in the graph where it can be compiled."""
        record = self._in_graph(batch, i) if self.compiles else None
        if record is not None:
            return record
        if self.compiles:
            self.adam.end(i)
            self.compiles = False
        return self.eager.update(batch, i)

    def end(self) -> None:
        """Count the steps of the chunk in the state of the optimizers."""
        if self.compiles:
            self.adam.end(len(self._turns))

    def loss(self, name: str, loss_fn: Loss) -> Loss:
        """Return the loss as it is: the graph compiles it with the rest."""
        return loss_fn

    def step(self, name: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Take one step of a network's optimizer."""
        (self.adam if self.compiles else self.eager).step(name, parameters, gradients)

    def _with(self, batch: Batch, factors: Tensor) -> Record:
        self.adam.factor = factors
        return self._update(batch)

    def _in_graph(self, batch: Batch, i: int) -> Record | None:
        """The i-th update of the chunk; None where the compiler failed, and nothing was done."""
        due = self._turns[i].due
        if due in self._known:
            # Nothing that the graph depends on changes any more but `due`, so the long list of
            # conditions under which it holds need not be checked at every update.
            with torch.compiler.set_stance("default", skip_guard_eval_unsafe=True):
                record: Record = self._compiled(batch, self.adam.factors[i])
        else:
            try:
                with _without_logs():
                    record = self._compiled(batch, self.adam.factors[i])
            except Exception as error:  # whatever a compiler's many parts raise
                reason = (str(error) or type(error).__name__).splitlines()[0]
                warnings.warn(
                    f"compile: the compiler failed ({reason}), so the updates run uncompiled; "
                    "compile=false turns it off from the start",
                    stacklevel=2,
                )
                return None
            self._known.add(due)
        # Lightning counts a step here as it does in `LightningOptimizer.step`, which would cost
        # as much as a dozen kernels, to find that no gradients are left.
        last = self.eager.optimizers[due[-1]]
        last._on_before_step()
        last._on_after_step()
        return record


@contextmanager
def _without_logs() -> Iterator[None]:
    """Without the thousands of lines in which a failing compiler logs its code."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
