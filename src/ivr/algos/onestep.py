"""One-step RL (Brandfonbrener et al., NeurIPS 2021): evaluate the data's policy, improve it once.

    Q       E_D[ (r + gamma (1 - d) Q(s', a') - Q(s, a))^2 ], a' the data's next action (SARSA)

and one of the three improvement operators that its authors compare, a class each:

    OneStep             -E_D[ exp(beta (Q - V)) log pi(a|s) ], V = E_mu[Q]   (their "exp. weight")
    OneStepReverseKL    -E_s[ E_pi[Q] - alpha KL(pi || mu) ]
    OneStepEasyBCQ      the best by Q of M actions of mu

Q never sees the policy, so both can be trained side by side: in the end it is one step from the
data's policy mu all the same. Where an operator needs mu, behaviour cloning gives it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.proposals import CandidateNoise, begin_choosing, best, repeated
from ivr.algos.shared.sarsa import SarsaCritic
from ivr.losses.actor import (
    exponential_weight,
    gaussian_kl,
    kl_regularised_loss,
    weighted_regression_loss,
)
from ivr.losses.value import expectile_loss
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import StateValue
from ivr.types import ActFunction, Batch


class OneStep(SarsaCritic):
    """One step of advantage-weighted regression.

    Args:
        temperature: beta >= 0, the inverse temperature of the weight; 0 is behaviour cloning.
        weight_clip: upper bound of the weight.
        value_lr, actor_lr: learning rates.
        value_layer_norm: layer normalisation in V.
        shared: see `SarsaCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    advice = "Lower algo.temperature or the learning rates."
    alpha_options = ("temperature",)

    step_order = ("critic", "value", "actor")

    def __init__(
        self,
        *,
        temperature: float = 3.0,
        weight_clip: float | None = 100.0,
        value_lr: float = 3e-4,
        actor_lr: float = 3e-4,
        value_layer_norm: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.learning_rates |= {"value": value_lr, "actor": actor_lr}
        check_range("temperature", temperature, temperature >= 0, "from 0 on")
        inside = weight_clip is None or weight_clip > 0
        check_range("weight_clip", weight_clip, inside, "above 0, or be null")
        states, _, hidden = self.sizes
        self.value = StateValue(states, hidden, self.generators("value"), value_layer_norm)
        self.actor = GaussianActor(*self.sizes, self.generators("actor"))
        self.temperature = temperature
        self.weight_clip = weight_clip

    def improve(self, batch: Batch) -> None:
        """V, then the actor with the new V."""
        with torch.no_grad():
            q = self.target_critic(batch.observations, batch.actions).amin(1)
        self.minimise("value", self.value_loss, batch, q)
        self.minimise("actor", self.actor_loss, batch, q)

    def value_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """The mean of Q over the data's actions: the expectile at 1/2."""
        v = self.value(batch.observations)
        return expectile_loss(q, v, 0.5), {"value/v": v.detach().mean(-1)}

    def actor_loss(self, batch: Batch, q: Tensor) -> tuple[Tensor, Metrics]:
        """Imitation with exponential weights: (R,), and metrics (R,)."""
        with torch.no_grad():
            advantage = q - self.value(batch.observations)
            weight = exponential_weight(advantage, self.temperature)
            if self.weight_clip is not None:
                weight = weight.clamp(max=self.weight_clip)
        log_prob = self.actor.log_prob(batch.observations, batch.actions)
        return weighted_regression_loss(weight, log_prob), {
            "value/advantage": advantage.mean(-1),
            "actor_weight/mean": weight.mean(-1),
            "histogram/actor_weight": weight,
        }

    def value_of(self, observations: Tensor) -> Tensor:
        """V of the data's policy, (R, N)."""
        values: Tensor = self.value(observations)
        return values


class OneStepReverseKL(SarsaCritic):
    """One policy improvement step that pays for leaving the data's policy.

    Args:
        alpha: what a nat of KL(pi || mu) costs, one for all runs or one for each, in units of Q.
        actor_lr: learning rate of the actor and of behaviour cloning.
        shared: see `SarsaCritic`.
    """

    advice = "Raise alpha or lower the learning rates."

    step_order = ("critic", "behaviour", "actor")

    def __init__(
        self, *, alpha: float | Sequence[float], actor_lr: float = 3e-4, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.learning_rates |= {"behaviour": actor_lr, "actor": actor_lr}
        self.behaviour = GaussianActor(*self.sizes, self.generators("behaviour"))
        self.actor = GaussianActor(*self.sizes, self.generators("actor"))
        alphas = torch.as_tensor(alpha, dtype=torch.float32).expand(self.runs).clone()
        self.register_buffer("alpha", alphas[:, None], persistent=False)
        self.alpha: Tensor

    def improve(self, batch: Batch) -> None:
        """The data's policy, then the actor; the gradient of E_pi[Q] by one sample a state."""
        self.minimise("behaviour", self.behaviour_loss, batch)
        noise = self.noise.normal("policy", batch.actions)
        self.minimise("actor", self.actor_loss, batch, noise)

    def actor_loss(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """E_pi[Q] less the KL divergence, which two Gaussians have in closed form."""
        mean, log_std = self.actor(batch.observations), self.actor.clamped_log_std
        with torch.no_grad():
            data_mean = self.behaviour(batch.observations)
            data_log_std = self.behaviour.clamped_log_std
        kl = gaussian_kl(mean, log_std, data_mean, data_log_std)
        sampled = (mean + log_std.exp() * noise).clamp(-1, 1)
        q = self.constant("critic")(batch.observations, sampled).amin(1)
        loss = kl_regularised_loss(q, kl, self.alpha)
        return loss, {"actor/kl": kl.detach().mean(-1)}


class OneStepEasyBCQ(SarsaCritic):
    """Behaviour cloning that acts on the best of a few proposals.

    Args:
        candidates: M, the actions of the cloned policy that Q chooses from.
        actor_lr: learning rate of behaviour cloning.
        shared: see `SarsaCritic`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    alpha_options = ("candidates",)

    step_order = ("critic", "behaviour")

    def __init__(self, *, candidates: int = 10, actor_lr: float = 3e-4, **shared: Any) -> None:
        super().__init__(**shared)
        self.learning_rates["behaviour"] = actor_lr
        check_range("candidates", candidates, candidates >= 1, "from 1 on")
        self.behaviour = GaussianActor(*self.sizes, self.generators("behaviour"))
        # In units of the standard deviation.
        self.candidate_noise = CandidateNoise(self.seeds, candidates, self.sizes[1])

    def improve(self, batch: Batch) -> None:
        """The data's policy."""
        self.minimise("behaviour", self.behaviour_loss, batch)

    def mode(self, observations: Tensor) -> Tensor:
        """Act where an episode begins."""
        return self.choose(observations, self.candidate_noise.first(observations))

    def begin(self, slots: int) -> ActFunction:
        """Draw other actions at every step of an episode."""
        return begin_choosing(self, self.candidate_noise, self.choose, slots)

    def choose(self, observations: Tensor, noise: Tensor) -> Tensor:
        """The action with the highest Q among M of the data's policy.

        Observations (R, N, O) and standard normal noise (R, M, N, A) to (R, N, A).
        """
        mean, log_std = self.behaviour(observations), self.behaviour.clamped_log_std
        spread = log_std.exp()[:, None] * noise
        proposed = (mean[:, None] + spread).clamp(-1, 1)
        candidates = proposed.shape[1]
        q = self.critic(repeated(observations, candidates), proposed.flatten(1, 2)).amin(1)
        return best(proposed, q.unflatten(-1, (candidates, -1)))
