"""What a contributor writes of an algorithm, and what it uses.

An algorithm subclasses `OfflineAlgorithm`, builds its networks, says in which order they are
stepped, and writes one `update` that reads like its paper.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from ivr import random
from ivr.algos.engine.gradients import clipped, gradient_norm
from ivr.algos.engine.loop import TrainingLoop
from ivr.algos.engine.stepper import Loss, Metrics
from ivr.errors import UserError
from ivr.types import Batch, Needs

__all__ = ["Loss", "Metrics", "OfflineAlgorithm"]


class OfflineAlgorithm(TrainingLoop):
    """R runs trained side by side: the first axis of every parameter, batch and metric is R.

    Args:
        seeds: one seed for each run; it alone decides the run's initialisation and noise.
        action_low, action_high: the environment's bounds, of length A.
        learning_rates: of each network that is trained, by attribute name.
        cosine_decay: names of the networks whose learning rate falls to 0 over `num_updates`.
        num_updates: length of the training.
        input_mean, input_scale: what observations are normalised by, of length O each; None leaves
            them raw. `update`, `mode` and `value_of` see normalised ones.
    """

    # What an algorithm writes, besides `step_order`, `mode` and `value_of`.

    advice = "Lower the learning rates."
    """What to do where a loss diverges."""

    alpha_options: tuple[str, ...] = ()
    """Keywords that do what others call alpha, in an algorithm that has none."""

    @abstractmethod
    def update(self, batch: Batch) -> None:
        """One update on a batch with axes (R, B): `minimise` each network's loss, in order."""

    def measure(self, batch: Batch) -> None:
        """What `update` minimises, where that is measured on transitions that are held out.

        `minimise` and `polyak` change nothing then. An algorithm whose update changes anything else
        leaves that out here.
        """
        self.update(batch)

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """What it asks of the data beyond transitions, given its constructor's keywords."""
        return Needs()

    # What an algorithm uses.

    def generators(self, purpose: str) -> list[torch.Generator]:
        """One generator for each run, for what is drawn once."""
        return [random.generator(seed, purpose) for seed in self.seeds]

    def due(self, name: str) -> bool:
        """Whether network `name`, which may be one of `delays`, steps at the current update."""
        return name in self._due

    def constant(self, name: str) -> Callable[..., Any]:
        """Network `name` as a function of its inputs alone.

        Gradients pass through it to its inputs, as an actor's do through a critic, and its own
        parameters get none.
        """
        network = self.get_submodule(name)
        parameters = {key: p.detach() for key, p in network.named_parameters()}
        return lambda *inputs: functional_call(network, parameters, inputs)

    def minimise(self, name: str, loss_fn: Loss, *inputs: Any) -> Metrics:
        """Take one step of the optimizer of network `name` on a loss (R,).

        The runs never mix: their sum is taken only for the gradient.

        Returns:
            The loss's metrics, which are logged as well.
        """
        loss, metrics = self._stepper.loss(name, loss_fn)(*inputs)
        if not self._stepper.trains:
            self._reported[f"loss/{name}"] = loss
            return metrics
        if name not in self._due or f"loss/{name}" in self._reported:
            why = "twice in an update" if name in self._due else "where it is not due"
            raise UserError(f"{type(self).__name__}.update steps {name} {why}")
        if loss.shape != (self.runs,):
            raise UserError(
                f"{type(self).__name__}: the loss of {name} has shape {tuple(loss.shape)}, and "
                f"must have one number for each of the {self.runs} runs, as x.mean(-1) has"
            )
        parameters = list(self.get_submodule(name).parameters())
        gradients = torch.autograd.grad(loss.sum(), parameters)
        self._reported.update({f"loss/{name}": loss.detach(), **metrics})
        if self._stepper.measures_gradients:
            self._reported[f"gradient_norm/{name}"] = gradient_norm(gradients)
        if name in self.gradient_clips:
            gradients = clipped(gradients, self.gradient_clips[name])
        self._stepper.step(name, parameters, gradients)
        return metrics

    @torch.no_grad()
    def polyak(self, network: nn.Module, target: nn.Module, tau: float) -> None:
        """target <- (1 - tau) target + tau network, for every parameter."""
        if not self._stepper.trains:
            return
        torch._foreach_lerp_(list(target.parameters()), list(network.parameters()), tau)
