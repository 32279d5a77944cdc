"""What algorithms share that go online with a policy which was trained offline."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.nets.actors import GaussianActor


class FromPolicy(OfflineAlgorithm):
    """Holds the policy that is improved online, and the offline one, pi_0, that it starts as.

    Args:
        hidden: sizes of the policy's hidden layers.
        discount: gamma.
        run: see `OfflineAlgorithm`.
    """

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        hidden: Sequence[int],
        discount: float,
        **run: Any,
    ) -> None:
        super().__init__(action_low=action_low, cosine_decay=(), **run)
        sizes = (observation_dim, len(action_low), hidden)
        self.actor = GaussianActor(*sizes, self.generators("actor"))
        self.initial_policy = GaussianActor(*sizes, self.generators("actor"))
        self.initial_policy.requires_grad_(False)
        self.hidden = tuple(hidden)
        self.discount = discount

    def begin_with(self, policy: OfflineAlgorithm) -> None:
        """Take over the policy of an offline run with the same members.

        Raises:
            ValueError: its policy is no Gaussian, or of another size.
        """
        actor = getattr(policy, "actor", None)
        if not isinstance(actor, GaussianActor):
            raise ValueError(
                "its policy is no Gaussian whose density is known, as those of bc, sql, eql, ivr, "
                "iql, xql and onestep with exponential weights are"
            )
        for network in (self.actor, self.initial_policy):
            network.load_state_dict(actor.state_dict())

    @torch.no_grad()
    def explore(
        self, observations: Tensor, noise: Tensor, progress: float
    ) -> tuple[Tensor, Tensor | None]:
        """Choose actions to collect data with.

        Args:
            observations: (R, N, O), raw.
            noise: (R, N, A) standard normal draws.
            progress: share of the online steps that are taken, from 0 to 1.

        Returns:
            (R, N, A) in [-1, 1]; and (R, N), 1 where it is the learner's action and 0 where it is
            one of pi_0, None where all are the learner's.
        """
        return self.actor.sample(self.standardise(observations), noise), None
