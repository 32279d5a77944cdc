"""What every algorithm answers: actions, values and the error of its critic."""

from abc import ABC
from collections.abc import Sequence
from typing import final

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from ivr.errors import UserError
from ivr.losses.critic import bellman_error, td_target
from ivr.nets.standardiser import Standardiser
from ivr.types import Batch


class Agent(pl.LightningModule, ABC):
    """R policies side by side, with their V and Q where the algorithm learns them.

    Args:
        action_low, action_high: the environment's bounds, of length A.
        input_mean, input_scale: what observations are normalised by, of length O each;
            None leaves them raw.
    """

    learning_rates: dict[str, float]
    """The learning rate of each network that is trained, by attribute name."""

    discount: float
    """gamma, of an algorithm with a critic."""

    def __init__(
        self,
        action_low: Sequence[float],
        action_high: Sequence[float],
        input_mean: Sequence[float] | None,
        input_scale: Sequence[float] | None,
    ) -> None:
        super().__init__()
        for name, bound in (("action_low", action_low), ("action_high", action_high)):
            self.register_buffer(name, torch.tensor(bound), persistent=False)
        self.action_low: Tensor
        self.action_high: Tensor
        self.standardise: nn.Module = nn.Identity()
        if input_mean is not None or input_scale is not None:
            if input_mean is None or input_scale is None:
                raise ValueError("input_mean and input_scale belong together")
            self.standardise = Standardiser(input_mean, input_scale)

    # What an algorithm writes. Observations are normalised here.

    def mode(self, observations: Tensor) -> Tensor:
        """The deterministic policy in scaled actions: (R, N, O) to (R, N, A) in [-1, 1].

        Observations are normalised already; `act` takes raw ones.
        """
        mean: Tensor = self.get_submodule("actor")(observations)
        return mean

    def imitated(self, batch: Batch) -> Tensor:
        """The deterministic policy where the data were, told what they tell: (R, B, A) in [-1, 1].

        Held against the data's actions. Observations are normalised already.
        """
        return self.mode(batch.observations)

    def value_of(self, observations: Tensor) -> Tensor | None:
        """V(s) of normalised observations, (R, N, O) to (R, N); None where no V is learned."""
        return None

    def critic_and_target(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Q at the data's actions (R, K, B), and its target (R, B), on a batch (R, B).

        By default the target of a critic that evaluates the policy, r + gamma (1 - d) min_k
        Q_k(s', pi(s')) with the target critics; None for an algorithm without a critic.
        """
        if "critic" not in self.learning_rates:
            return None
        critic, target_critic = map(self.get_submodule, ("critic", "target_critic"))
        following = batch.next_observations
        next_q = target_critic(following, self.mode(following)).amin(1)
        target = td_target(batch.rewards, batch.terminated, next_q, self.discount)
        return critic(batch.observations, batch.actions), target

    # What evaluation calls, with raw observations and in the environment's units.

    @final
    def act(self, observations: Tensor) -> Tensor:
        """The deterministic policy in the environment's units: raw (R, N, O) to (R, N, A).

        Raises:
            UserError: for observations of another shape.
        """
        runs = next(len(parameter) for parameter in self.parameters())
        if observations.ndim != 3 or len(observations) != runs:
            raise UserError(
                f"observations have shape {tuple(observations.shape)}: the LightningModule takes "
                f"(R, N, O), N of them for each of R = {runs} members, as in x.expand({runs}, -1, "
                "-1). ivr.load_policy(path).act takes (O,) and (N, O), of numpy"
            )
        return self.to_bounds(self.mode(self.standardise(observations)))

    def to_bounds(self, actions: Tensor) -> Tensor:
        """Actions scaled to [-1, 1] in the environment's units, (..., A)."""
        return self.action_low + (actions + 1) / 2 * (self.action_high - self.action_low)

    @final
    def state_value(self, observations: Tensor) -> Tensor | None:
        """V(s) of raw observations, (R, N, O) to (R, N); None where no V is learned."""
        return self.value_of(self.standardise(observations))

    @final
    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor | None:
        """The critics' mean of Q(s, a); None without a critic.

        Raw observations (R, N, O) and scaled actions (R, N, A) to (R, N).
        """
        if "critic" not in self.learning_rates:
            return None
        values: Tensor = self.get_submodule("critic")(self.standardise(observations), actions)
        return values.mean(1)

    @final
    def expected_return(self, observations: Tensor) -> Tensor | None:
        """What the algorithm expects to come of raw observations, (R, N, O) to (R, N).

        V(s), or where no V is learned the critics' mean at the policy's action; None without both.
        Discounted, and of the rewards as they are trained on.
        """
        values = self.state_value(observations)
        if values is not None or "critic" not in self.learning_rates:
            return values
        states = self.standardise(observations)
        expected: Tensor = self.get_submodule("critic")(states, self.mode(states)).mean(1)
        return expected

    @final
    @torch.no_grad()
    def bellman_error(self, batch: Batch) -> Tensor | None:
        """Mean squared TD error of the critic on raw transitions (R, B): (R,).

        None where there is no critic.
        """
        fitted = self.fitted(batch)
        return None if fitted is None else bellman_error(*fitted)

    @final
    @torch.no_grad()
    def fitted(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Q (R, K, B) and its target (R, B) on raw transitions; None where there is no critic."""
        return self.critic_and_target(self._standardised(batch))

    @final
    @torch.no_grad()
    def action_errors(self, batch: Batch) -> Tensor:
        """Squared errors of the policy at the data's actions, scaled to [-1, 1]: (R, B).

        Of raw transitions; the mean over the A numbers of an action.
        """
        batch = self._standardised(batch)
        return (self.imitated(batch) - batch.actions).square().mean(-1)

    def _standardised(self, batch: Batch) -> Batch:
        return batch._replace(
            observations=self.standardise(batch.observations),
            next_observations=self.standardise(batch.next_observations),
        )
