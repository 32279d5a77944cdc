"""Adam (Kingma & Ba, 2015) in tensors, so that its step can be compiled with the losses.

State and hyperparameters are those of `torch.optim.Adam`: checkpoints hold them, and where nothing
is compiled it takes the steps itself.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ivr.algos.engine.stepper import Turn


class GraphAdam:
    """Takes the steps of several optimizers inside a compiled update.

    Args:
        optimizers: one for each network, by name; their state is read and kept up to date.
    """

    def __init__(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.optimizers = dict(optimizers)
        self.index = {name: k for k, name in enumerate(optimizers)}
        self.moments: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for name, optimizer in optimizers.items():
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for p in parameters:
                if not optimizer.state[p]:
                    optimizer.state[p] = {
                        "step": torch.zeros((), device=p.device),
                        "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                        "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
                    }
            states = [optimizer.state[p] for p in parameters]
            self.moments[name] = [(s["exp_avg"], s["exp_avg_sq"]) for s in states]
        (self.betas,) = {o.param_groups[0]["betas"] for o in optimizers.values()}
        (self.eps,) = {o.param_groups[0]["eps"] for o in optimizers.values()}
        self.factors = self.factor = torch.zeros(0)
        self._turns: Sequence[Turn] = ()

    def begin(self, turns: Sequence[Turn]) -> None:
        """Compute the factors of the coming updates, (C, networks, 2).

        They are lr / (1 - beta_1^t) and sqrt(1 - beta_2^t), for the t-th step of each network.
        """
        states = {name: next(iter(o.state.values())) for name, o in self.optimizers.items()}
        steps = {name: int(state["step"]) for name, state in states.items()}
        self._turns = turns
        rows = []
        for turn in turns:
            row = [[0.0, 1.0]] * len(self.index)
            for name in turn.due:
                steps[name] += 1
                first, second = (1 - beta ** steps[name] for beta in self.betas)
                row[self.index[name]] = [turn.rates[name] / first, math.sqrt(second)]
            rows.append(row)
        device = next(iter(states.values()))["exp_avg"].device
        self.factors = torch.tensor(rows, device=device)

    @torch.no_grad()
    def step(self, name: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Take one step of one network, as `torch.optim.Adam` takes it."""
        rate, correction = self.factor[self.index[name]]
        for parameter, gradient, (first, second) in zip(
            parameters, gradients, self.moments[name], strict=True
        ):
            first.lerp_(gradient, 1 - self.betas[0])
            second.mul_(self.betas[1]).addcmul_(gradient, gradient, value=1 - self.betas[1])
            parameter.sub_(rate * first / (second.sqrt() / correction + self.eps))

    def end(self, updates: int) -> None:
        """Count the steps of the first `updates` of those begun in the optimizers' state."""
        taken = Counter(name for turn in self._turns[:updates] for name in turn.due)
        for name, steps in taken.items():
            for state in self.optimizers[name].state.values():
                state["step"] += steps
