"""How every algorithm learns: the update, its optimizers, target networks and counters.

This is the only place that steps an optimizer. An algorithm subclasses `OfflineAlgorithm`, builds
its networks, names their learning rates, and writes one `update` that reads like its paper.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.func import functional_call

from ivr import random
from ivr.algos.engine.agent import Agent
from ivr.algos.engine.gradients import clipped, gradient_norm
from ivr.algos.engine.graph import UpdateGraph
from ivr.algos.engine.noise import Noise
from ivr.algos.engine.records import Record, Sums
from ivr.types import Batch, Needs

Metrics = dict[str, Tensor]
Loss = Callable[..., tuple[Tensor, Metrics]]


class OfflineAlgorithm(Agent):
    """R runs trained side by side: every parameter, batch, loss and metric leads with R.

    Args:
        seeds: one seed for each run; it alone decides the run's initialisation and noise.
        action_low, action_high: the environment's bounds, of length A.
        learning_rates: for each network that is trained, by attribute name, in the order in which
            `update` steps them, each at most once; the last that is due counts the updates.
        cosine_decay: names of the networks whose learning rate falls to 0 over `num_updates`.
        num_updates: length of the training.
        input_mean, input_scale: what observations are normalised by, of length O each;
            None leaves them raw. The networks and `update` see normalised ones.
    """

    advice = "Lower the learning rates."
    """What to do where a loss diverges."""

    words_for_alpha: tuple[str, ...] = ()
    """Keywords that do what others call alpha, in an algorithm that has none."""

    one_graph = True
    """Whether `update` is tensors and fixed branches alone, so that all of it can be compiled."""

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
        """The largest norm that a run's gradient of a network may have; none: any."""
        self.num_updates = num_updates
        self.updates_done = 0
        self.delays: dict[str, int] = {}
        """For each network that steps less often, the updates from one step to the next."""
        self.last_metrics: Metrics = {}
        """Of the latest update, each of shape (R,); those named histogram/... (R, B)."""
        self.records: list[Record] = []
        """Of every update of the latest chunk."""
        self.sums = Sums()
        """Of the metrics since a logger last emptied them."""
        self.compile_updates = False
        self._compiled_losses: dict[str, Loss] = {}
        self._graph: UpdateGraph | None = None
        self._optimizers: dict[str, LightningOptimizer] = {}
        self._measure_gradients = False
        self._due: tuple[str, ...] = ()
        self.noise = Noise(self.seeds)
        """All that an update draws."""

    # What an algorithm writes, besides `mode` and `value_of`, where the defaults do not serve.

    @abstractmethod
    def update(self, batch: Batch) -> None:
        """One update on a batch with axes (R, B): `minimise` each network's loss, in order."""

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """What it asks of the data beyond transitions, given its constructor's keywords."""
        return Needs()

    # What an algorithm uses.

    def generators(self, purpose: str) -> list[torch.Generator]:
        """One generator for each run, for what is drawn once."""
        return [random.generator(seed, purpose) for seed in self.seeds]

    def due(self, name: str) -> bool:
        """Whether network `name`, which may be one of `delays`, steps at the coming update."""
        return name in self._due

    def constant(self, name: str) -> Callable[..., Any]:
        """Network `name` as a function of its inputs alone.

        Gradients pass through it to its inputs, as a critic leads an actor, and its own parameters
        get none.
        """
        network = self.get_submodule(name)
        parameters = {key: p.detach() for key, p in network.named_parameters()}
        return lambda *inputs: functional_call(network, parameters, inputs)

    def minimise(self, name: str, loss_fn: Loss, *inputs: Any) -> None:
        """One step of the optimizer of network `name` on a loss (R,); keeps the loss's metrics.

        The runs never mix: their sum is taken only for the gradient.
        """
        if self.compile_updates and not self.one_graph:
            if name not in self._compiled_losses:
                self._compiled_losses[name] = torch.compile(loss_fn)
            loss_fn = self._compiled_losses[name]
        loss, metrics = loss_fn(*inputs)
        parameters = list(self.get_submodule(name).parameters())
        gradients = torch.autograd.grad(loss.sum(), parameters)
        self.last_metrics.update({f"loss/{name}": loss.detach(), **metrics})
        if self._measure_gradients:
            self.last_metrics[f"gradient_norm/{name}"] = gradient_norm(gradients)
        if name in self.gradient_clips:
            gradients = clipped(gradients, self.gradient_clips[name])
        if self._graph is not None:
            self._graph.adam.step(name, parameters, gradients)
        else:
            self._step_optimizer(name, parameters, gradients)

    def _step_optimizer(
        self, name: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()
        optimizer = self._optimizers[name]
        for group in optimizer.optimizer.param_groups:
            group["lr"] = self.learning_rate(name, self.updates_done)
        # Lightning counts a step for every wrapped optimizer that steps: only the last one of
        # an update may go through the wrapper, or global_step runs several times too fast.
        is_last = name == self._due[-1]
        (optimizer if is_last else optimizer.optimizer).step()

    @torch.no_grad()
    def polyak(self, network: nn.Module, target: nn.Module, tau: float) -> None:
        """target <- (1 - tau) target + tau network, for every parameter."""
        torch._foreach_lerp_(list(target.parameters()), list(network.parameters()), tau)

    # What Lightning and the callbacks see.

    @property
    def runs(self) -> int:
        """R, the number of runs trained side by side."""
        return len(self.seeds)

    def networks_due(self, update: int) -> tuple[str, ...]:
        """Those that step at an update."""
        return tuple(n for n in self.learning_rates if update % self.delays.get(n, 1) == 0)

    def learning_rate(self, name: str, update: int) -> float:
        """The rate of a network at an update."""
        rate = self.learning_rates[name]
        if name in self.cosine_decay:
            rate *= 0.5 * (1 + math.cos(math.pi * min(1, update / self.num_updates)))
        return rate

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One Adam for each network, in the order of `learning_rates`."""
        return [
            torch.optim.Adam(self.get_submodule(name).parameters(), lr=rate, fused=True)
            for name, rate in self.learning_rates.items()
        ]

    def on_train_start(self) -> None:
        """Name the optimizers, which Lightning keeps in a list."""
        wrapped = self.optimizers()
        listed = wrapped if isinstance(wrapped, list) else [wrapped]
        self._optimizers = dict(zip(self.learning_rates, listed, strict=True))
        self.sums.to(self.device)
        self.one_graph = self.one_graph and UpdateGraph.possible()
        if self.compile_updates and self.one_graph:
            optimizers = {name: wrapped.optimizer for name, wrapped in self._optimizers.items()}
            self._graph = UpdateGraph(self._recorded_update, optimizers, self.device)

    def training_step(self, chunk: Batch, batch_index: int) -> None:
        """Several updates, one for each batch of a chunk with axes (C, R, B)."""
        chunk = self._standardised(chunk)
        count = len(chunk.rewards)
        self.records = []
        if self._graph is not None:
            updates = range(self.updates_done, self.updates_done + count)
            self._graph.adam.begin(updates, self.networks_due, self.learning_rate)
        for i in range(count):
            self._due = self.networks_due(self.updates_done)
            self.noise.clock.fill_(self.updates_done)
            # Once a chunk is enough to see a gradient explode; in a graph it costs nothing.
            self._measure_gradients = i == count - 1 or self._graph is not None
            record = self._graph_update(chunk.at(i), i) if self._graph is not None else None
            record = record or self._recorded_update(chunk.at(i))
            self.updates_done += 1
            self.records.append(record)
            self.sums.add(record)
        if self._graph is not None:
            self._graph.adam.end(count)
        self.last_metrics = self.records[-1].metrics

    def _recorded_update(self, batch: Batch) -> Record:
        self.last_metrics = {}
        self.update(batch)
        return Record.of(self.last_metrics)

    def _graph_update(self, batch: Batch, i: int) -> Record | None:
        """The i-th update of a chunk in one graph; None where that cannot be compiled."""
        assert self._graph is not None
        record = self._graph(batch, self._due, i)
        if record is None:
            self._graph.adam.end(i)
            self._graph = None
        else:
            # Lightning counts a step where it would take one; its own step costs as much as
            # a dozen kernels, to find that no gradients are left.
            last = self._optimizers[self._due[-1]]
            last._on_before_step()
            last._on_after_step()
        return record

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the counter and the running sums beside the weights."""
        checkpoint["updates_done"] = self.updates_done
        checkpoint["sums"] = self.sums.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` kept."""
        self.updates_done = checkpoint["updates_done"]
        self.sums = Sums(checkpoint["sums"])
