"""What Lightning and the callbacks see of an algorithm: optimizers, chunks of updates, counters.

A contributor need not read it: what an algorithm writes and uses is in `base.py`.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.agent import Agent
from ivr.algos.engine.eager import EagerStepper
from ivr.algos.engine.graph import GraphStepper
from ivr.algos.engine.noise import Noise
from ivr.algos.engine.records import Record, Sums
from ivr.algos.engine.stepper import Measuring, Metrics, Stepper, Turn
from ivr.errors import UserError
from ivr.types import Batch


class TrainingLoop(Agent):
    """Carries out the updates of an algorithm; `OfflineAlgorithm` documents the arguments."""

    step_order: tuple[str, ...]
    """Every network that is trained, by attribute name, in the order in which `update` steps them.

    Optimizers, checkpoints and logs keep this order. A network that an instance does not have is
    passed over; each is stepped at most once in an update, and the last one counts the update.
    """

    one_graph = True
    """Whether `update` is tensors and fixed branches alone, so that all of it can be compiled."""

    _stepper: Stepper

    def __init__(
        self,
        *,
        seeds: Sequence[int],
        action_low: Sequence[float],
        action_high: Sequence[float],
        learning_rates: Mapping[str, float],
        cosine_decay: Sequence[str],
        num_updates: int,
        input_mean: Sequence[float] | None = None,
        input_scale: Sequence[float] | None = None,
    ) -> None:
        super().__init__(action_low, action_high, input_mean, input_scale)
        self.automatic_optimization = False
        self.seeds = tuple(seeds)
        self.learning_rates = dict(learning_rates)
        self.cosine_decay = tuple(cosine_decay)
        self.gradient_clips: dict[str, float] = {}
        """For each network whose gradient is clipped, the largest norm of a run's gradient."""
        self.delays: dict[str, int] = {}
        """For each network that steps less often, the updates from one step to the next."""
        self.num_updates = num_updates
        self.updates_done = 0
        self.noise = Noise(self.seeds)
        """Everything random in an update is drawn from it."""
        self.compile_updates = False
        self.last_metrics: Metrics = {}
        """Of the latest update, each of shape (R,); those named histogram/... (R, B)."""
        self.records: list[Record] = []
        """Of every update of the latest chunk."""
        self.sums = Sums()
        """Of the metrics since a logger last emptied them."""
        self._due: tuple[str, ...] = ()
        self._reported: Metrics = {}

    @abstractmethod
    def update(self, batch: Batch) -> None:
        """One update on a batch with axes (R, B)."""

    @abstractmethod
    def measure(self, batch: Batch) -> None:
        """Evaluate the losses of an update, and change nothing."""

    def before_update(self, update: int) -> None:
        """Do what is done once, before a certain update; it is never compiled."""

    @property
    def runs(self) -> int:
        """R, the number of runs trained side by side."""
        return len(self.seeds)

    @property
    def trained_networks(self) -> tuple[str, ...]:
        """Those of `step_order` that this instance has."""
        return tuple(name for name in self.step_order if name in self.learning_rates)

    def networks_due(self, update: int) -> tuple[str, ...]:
        """Those that step at an update, in order."""
        return tuple(n for n in self.trained_networks if update % self.delays.get(n, 1) == 0)

    def learning_rate(self, name: str, update: int) -> float:
        """The rate of a network at an update."""
        rate = self.learning_rates[name]
        if name in self.cosine_decay:
            rate *= 0.5 * (1 + math.cos(math.pi * min(1, update / self.num_updates)))
        return rate

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One Adam for each network, in the order of `trained_networks`."""
        unordered = set(self.learning_rates) - set(self.step_order)
        if unordered:
            lacking = ", ".join(sorted(unordered))
            raise ValueError(f"{type(self).__name__}.step_order lacks {lacking}")
        return [
            torch.optim.Adam(
                self.get_submodule(name).parameters(), lr=self.learning_rates[name], fused=True
            )
            for name in self.trained_networks
        ]

    def on_train_start(self) -> None:
        """Choose how updates are carried out: eagerly, with compiled losses, or in one graph."""
        wrapped = self.optimizers()
        listed = wrapped if isinstance(wrapped, list) else [wrapped]
        optimizers = dict(zip(self.trained_networks, listed, strict=True))
        graph = self.compile_updates and self.one_graph and GraphStepper.possible()
        losses = self.compile_updates and not graph
        eager = EagerStepper(self._recorded_update, optimizers, compile_losses=losses)
        self._stepper = eager
        if graph:
            self._stepper = GraphStepper(self._recorded_update, eager, self.device)
        self.sums.to(self.device)

    def training_step(self, chunk: Batch, batch_index: int) -> None:
        """Several updates, one for each batch of a chunk with axes (C, R, B)."""
        chunk = self._standardised(chunk)
        turns = [self._turn(self.updates_done + i) for i in range(len(chunk.rewards))]
        self._stepper.begin(turns)
        self.records = []
        for i, turn in enumerate(turns):
            self._due = turn.due
            self.before_update(self.updates_done)
            self.noise.clock.fill_(self.updates_done)
            record = self._stepper.update(chunk.at(i), i)
            self.updates_done += 1
            self.records.append(record)
            self.sums.add(record)
        self._stepper.end()
        self.last_metrics = self.records[-1].metrics

    @torch.no_grad()
    def losses(self, batch: Batch, draw: int = 0) -> Metrics:
        """The loss of each network on raw transitions (R, B), at the weights of now: (R,) each.

        Nothing is trained, dropped out or counted: a run goes on as if it had not been asked.

        Args:
            batch: with what the algorithm needs.
            draw: number of the draws of an algorithm that makes some; the same ones every time.
        """
        held = getattr(self, "_stepper", None), self._due, self._reported, self.noise.training
        clock = self.noise.clock.clone()
        self._stepper, self._due, self._reported = Measuring(), self.trained_networks, {}
        self.noise.eval()
        self.noise.clock.fill_(draw)
        try:
            self.measure(self._standardised(batch))
            return self._reported
        finally:
            self._stepper, self._due, self._reported, training = held  # type: ignore[assignment]
            self.noise.train(training)
            self.noise.clock.copy_(clock)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the counter and the running sums beside the weights."""
        checkpoint["updates_done"] = self.updates_done
        checkpoint["sums"] = self.sums.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` kept."""
        self.updates_done = checkpoint["updates_done"]
        self.sums = Sums(checkpoint["sums"])

    def _turn(self, update: int) -> Turn:
        due = self.networks_due(update)
        return Turn(due, {name: self.learning_rate(name, update) for name in due})

    def _recorded_update(self, batch: Batch) -> Record:
        self._reported = {}
        self.update(batch)
        for name in self._due:
            if f"loss/{name}" not in self._reported:
                raise UserError(
                    f"{type(self).__name__}.update never steps {name}, which step_order names"
                )
        for name, value in self._reported.items():
            shape = value.shape if isinstance(value, Tensor) else None
            if not name.startswith("histogram/") and shape != (self.runs,):
                raise UserError(
                    f"{type(self).__name__}: {name} must be a tensor with one number for each of "
                    f"the {self.runs} runs, as x.mean(-1) is"
                )
        return Record.of(self._reported)
