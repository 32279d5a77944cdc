"""RvS (Emmons et al., ICLR 2022): behaviour cloning conditioned on an outcome.

actor   -E_D[ log pi(a|s, w) ],  w the return or the goal that the trajectory went on to reach
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.bc import BehaviourCloning
from ivr.types import Batch, Needs


class ReinforcementViaSupervision(BehaviourCloning):
    """RvS-R, whose policy is conditioned on a return, or RvS-G, on a goal.

    Args:
        outcome_goal: the outcome that the policy is conditioned on when it acts, of length W, in
            the units that the data are served in.
        conditioning: "return" (mean reward of the time that is left) or "goal" (a position that
            the trajectory came to).
        target: the return of an episode to condition on; None: the best of the data.
        actor_lr, hidden, actor_lr_cosine, shared: see `BehaviourCloning`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    alpha_options = ("target",)

    def __init__(
        self,
        *,
        observation_dim: int,
        outcome_goal: Sequence[float],
        conditioning: str = "return",
        target: float | None = None,
        actor_lr: float = 1e-3,
        hidden: Sequence[int] = (1024, 1024),
        actor_lr_cosine: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(
            observation_dim=observation_dim + len(outcome_goal),
            actor_lr=actor_lr,
            hidden=hidden,
            actor_lr_cosine=actor_lr_cosine,
            **shared,
        )
        self.register_buffer("outcome_goal", torch.tensor(outcome_goal), persistent=False)
        self.outcome_goal: Tensor

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """What each trajectory went on to reach."""
        return Needs(
            best_fraction=options["fraction"],
            outcome=options["conditioning"],
            outcome_target=options["target"],
        )

    def inputs(self, batch: Batch) -> Tensor:
        """The observation and the outcome."""
        assert batch.outcomes is not None
        return torch.cat((batch.observations, batch.outcomes), -1)

    def imitated(self, batch: Batch) -> Tensor:
        """The actor's mean, conditioned on what came of it."""
        return super().mode(self.inputs(batch))

    def mode(self, observations: Tensor) -> Tensor:
        """The actor's mean, conditioned on `outcome_goal`."""
        asked = self.outcome_goal.expand(*observations.shape[:-1], -1)
        return super().mode(torch.cat((observations, asked), -1))
