"""Updates that run as they are written, with the steps of torch's own optimizers."""

from collections.abc import Mapping, Sequence

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor

from ivr.algos.engine.records import Record
from ivr.algos.engine.stepper import Loss, Turn, Update
from ivr.types import Batch


class EagerStepper:
    """Runs each update in Python.

    Args:
        update: what is run; it calls `loss` and `step`.
        optimizers: of the networks, by name.
        compile_losses: compile each network's loss by itself, at its first call.
    """

    def __init__(
        self,
        update: Update,
        optimizers: Mapping[str, LightningOptimizer],
        compile_losses: bool = False,
    ) -> None:
        self.optimizers = dict(optimizers)
        self.trains = True
        self.measures_gradients = False
        self._update = update
        self._compile_losses = compile_losses
        self._compiled: dict[str, Loss] = {}
        self._turns: Sequence[Turn] = ()
        self._turn = Turn((), {})

    def begin(self, turns: Sequence[Turn]) -> None:
        """Prepare a chunk of as many updates as there are turns."""
        self._turns = turns

    def update(self, batch: Batch, i: int) -> Record:
        """Run the i-th update of the chunk."""
        self._turn = self._turns[i]
        # Once a chunk is enough to see a gradient explode.
        self.measures_gradients = i == len(self._turns) - 1
        return self._update(batch)

    def end(self) -> None:
        """Do nothing: the optimizers have taken their steps."""

    def loss(self, name: str, loss_fn: Loss) -> Loss:
        """Return the loss as it is, or compiled."""
        if not self._compile_losses:
            return loss_fn
        if name not in self._compiled:
            self._compiled[name] = torch.compile(loss_fn)
        return self._compiled[name]

    def step(self, name: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Take one step of a network's optimizer at the learning rate of this update."""
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()
        optimizer = self.optimizers[name]
        for group in optimizer.optimizer.param_groups:
            group["lr"] = self._turn.rates[name]
        # Lightning counts a step for every wrapped optimizer that steps: only the last one of
        # an update may go through the wrapper, or global_step runs several times too fast.
        is_last = name == self._turn.due[-1]
        (optimizer if is_last else optimizer.optimizer).step()
