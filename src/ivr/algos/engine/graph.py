"""A whole update as one compiled graph: losses, gradients, Adam's steps and target networks."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ivr import random
from ivr.algos.engine.adam import GraphAdam
from ivr.algos.engine.records import Record
from ivr.types import Batch

Update = Callable[[Batch], Record]


class UpdateGraph:
    """Compiles an update at its first call, once for each set of networks that step.

    Args:
        update: what is compiled; it steps networks through `adam`.
        optimizers: of the networks, by name; they keep the state.
        device: where the networks are.
    """

    def __init__(
        self, update: Update, optimizers: Mapping[str, torch.optim.Optimizer], device: torch.device
    ) -> None:
        import torch._dynamo

        # Gradients are taken inside the graph, and the keys of random streams are part of it.
        torch._dynamo.config.trace_autograd_ops = True
        torch._dynamo.assume_constant_result(random.key)  # type: ignore[no-untyped-call]
        self.adam = GraphAdam(optimizers)
        self._update = update
        # A wrapper in C++ calls the kernels with less ado than one in Python.
        options: dict[str, Any] | None = {"cpp_wrapper": True} if device.type == "cpu" else None
        self._compiled = torch.compile(self._with, fullgraph=True, dynamic=False, options=options)
        self._known: set[tuple[str, ...]] = set()

    @staticmethod
    def possible() -> bool:
        """Whether this torch can trace gradients."""
        import torch._dynamo

        return hasattr(torch._dynamo.config, "trace_autograd_ops")

    def _with(self, batch: Batch, factors: Tensor) -> Record:
        self.adam.factor = factors
        return self._update(batch)

    def __call__(self, batch: Batch, due: tuple[str, ...], i: int) -> Record | None:
        """The i-th update of a chunk; None where the compiler failed, and nothing was done."""
        if due in self._known:
            # Nothing that the graph depends on changes any more but `due`, so the long list of
            # conditions under which it holds need not be gone through at every update.
            with torch.compiler.set_stance("default", skip_guard_eval_unsafe=True):
                return self._compiled(batch, self.adam.factors[i])
        try:
            with _without_logs():
                record = self._compiled(batch, self.adam.factors[i])
        except Exception as error:  # whatever a compiler's many parts raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
            warnings.warn(
                f"compile: the compiler failed ({reason}), so the updates run uncompiled; "
                "compile=false says so from the start",
                stacklevel=2,
            )
            return None
        self._known.add(due)
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
