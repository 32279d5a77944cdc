"""Any algorithm with a Gaussian policy as one that collects data."""

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.nets.actors import GaussianActor
from ivr.online.collect import Learner


class _Sampling:
    """Samples the policy of an algorithm that says nothing of exploration."""

    def __init__(self, algorithm: OfflineAlgorithm, actor: GaussianActor, discount: float) -> None:
        self.algorithm = algorithm
        self.actor = actor
        self.discount = discount
        self.to_bounds = algorithm.to_bounds
        self.action_value = algorithm.action_value

    @torch.no_grad()
    def explore(
        self, observations: Tensor, noise: Tensor, progress: float
    ) -> tuple[Tensor, Tensor | None]:
        return self.actor.sample(self.algorithm.standardise(observations), noise), None


def as_learner(algorithm: OfflineAlgorithm, discount: float) -> Learner:
    """The algorithm itself where it explores, else its policy with its own noise.

    Args:
        algorithm: that is trained.
        discount: gamma of the run, which an algorithm without a critic has none of.

    Raises:
        UserError: it has no Gaussian policy.
    """
    if hasattr(algorithm, "explore"):
        learner: Learner = algorithm  # type: ignore[assignment]
        return learner
    actor = getattr(algorithm, "actor", None)
    if not isinstance(actor, GaussianActor):
        raise UserError(f"{type(algorithm).__name__} has no Gaussian policy to explore with")
    return _Sampling(algorithm, actor, discount)
