"""How the updates of a chunk are carried out: what `EagerStepper` and `GraphStepper` share."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from ivr.algos.engine.records import Record
from ivr.types import Batch

Metrics = dict[str, Tensor]
Loss = Callable[..., tuple[Tensor, Metrics]]
Update = Callable[[Batch], Record]


class Turn(NamedTuple):
    """What one update steps."""

    due: tuple[str, ...]
    """The networks that step, in this order."""
    rates: dict[str, float]
    """The learning rate of each of them."""


class Stepper(Protocol):
    """Carries out the updates of one chunk after another."""

    @property
    def trains(self) -> bool:
        """Whether anything is changed; else losses are evaluated, and that is all."""

    @property
    def measures_gradients(self) -> bool:
        """Whether the current update reports the norms of its gradients."""

    def begin(self, turns: Sequence[Turn]) -> None:
        """Prepare a chunk of as many updates as there are turns."""

    def update(self, batch: Batch, i: int) -> Record:
        """Carry out the i-th update of the chunk."""

    def end(self) -> None:
        """Finish the chunk: the state of the optimizers is up to date."""

    def loss(self, name: str, loss_fn: Loss) -> Loss:
        """Return the loss of a network as this stepper evaluates it: plain or compiled."""

    def step(self, name: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> Any:
        """Take one step of a network's optimizer; `update` calls it through `minimise`."""


class Measuring:
    """Evaluates losses and steps nothing."""

    trains = False
    measures_gradients = False

    def begin(self, turns: Sequence[Turn]) -> None:
        """Do nothing."""

    def update(self, batch: Batch, i: int) -> Record:
        """Refuse: it has no updates."""
        raise NotImplementedError

    def end(self) -> None:
        """Do nothing."""

    def loss(self, name: str, loss_fn: Loss) -> Loss:
        """Return the loss as it is."""
        return loss_fn

    def step(self, name: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Refuse: nothing is stepped."""
        raise NotImplementedError
