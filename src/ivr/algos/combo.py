"""COMBO (Yu et al., NeurIPS 2021): conservative Q-learning on the data and a model's rollouts.

model   E_D[ -log p_k(s' - s, r | s, a) ] for k = 1..K, first and alone
critic  E_f[ (r + gamma (1 - d) Q(s', a') - Q(s, a))^2 ] + alpha gap,  a' ~ pi(.|s')  (equation 3)
gap     E_{s ~ model}[ log sum_j exp(Q(s, a_j)) / p(a_j|s) ] - E_D[ Q(s, a) ]

E_f is over the data and the rollouts of the policy in the model, f of the one to 1 - f of the
other (equation 4). Policy, proposals a_j and target are those of `ConservativeQLearning`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ivr.algos.cql import ConservativeQLearning
from ivr.algos.engine.base import Metrics
from ivr.algos.engine.ranges import check_range
from ivr.algos.shared.conservative import Draws, of_each
from ivr.algos.shared.rollouts import Rollouts
from ivr.algos.shared.terminations import TERMINATIONS
from ivr.errors import nearest
from ivr.losses.conservative import rollout_gap
from ivr.losses.critic import td_loss
from ivr.losses.dynamics import ensemble_loss, gaussian_nll
from ivr.nets.dynamics import DynamicsEnsemble
from ivr.nets.mlp import TORCH_GAIN
from ivr.nets.standardiser import Standardiser
from ivr.types import Batch, Needs

BOUND_WEIGHT = 0.01
"""What the bounds of the log-variance weigh in the model's loss, as in Chua et al. (2018)."""

MEMORY = 0.99
"""How much of the held-out error an update of the model leaves standing."""

FARTHEST = 100.0
"""How many standard deviations a rollout may get from the state where it began, in any number."""


class ConservativeModelBasedPolicyOptimization(ConservativeQLearning):
    """An ensemble of models, then a soft policy that is trained in it, conservatively.

    Args:
        model_updates: how many of the updates train the model, before the first of the policy;
            None is an eleventh of them.
        model_lr: learning rate of the model.
        model_hidden: sizes of its hidden layers.
        networks: K, of which the `elites` with the least error on held-out data are used.
        elites: how many.
        holdout: share of the data that the model is not fitted to.
        rollout_length: h, steps of the policy in the model from a state of the data.
        rollout_every: updates from one rollout, from every state of a batch, to the next.
        rollouts_kept: the latest rollouts, which the critics learn from.
        real_fraction: f, the data's share of a batch.
        termination: where an imagined episode ends, a name in `TERMINATIONS`.
        normalised: which networks see observations normalised by `input_mean` and `input_scale`:
            "model", the model alone, or "all".
        actor_lr, shared: see `ConservativeQLearning`.

    Raises:
        ValueError: where an option lies outside its range.
    """

    one_graph = False
    """Rollouts are written and drawn outside of the compiled losses."""

    step_order = ("model", *ConservativeQLearning.step_order)

    last_gain = TORCH_GAIN
    """OfflineRL-Kit starts with torch's own."""

    def __init__(
        self,
        *,
        observation_dim: int,
        action_low: Sequence[float],
        model_updates: int | None = None,
        model_lr: float = 1e-3,
        model_hidden: Sequence[int] = (200, 200, 200, 200),
        networks: int = 7,
        elites: int = 5,
        holdout: float = 0.05,
        rollout_length: int = 5,
        rollout_every: int = 5,
        rollouts_kept: int = 100,
        real_fraction: float = 0.5,
        termination: str = "none",
        normalised: str = "model",
        actor_lr: float = 1e-4,
        **shared: Any,
    ) -> None:
        super().__init__(
            observation_dim=observation_dim, action_low=action_low, actor_lr=actor_lr, **shared
        )
        if self.gap_floor is not None:
            raise ValueError(f"gap_floor={self.gap_floor} must be null: COMBO's gap has no floor")
        if model_updates is None:
            model_updates = max(1, self.num_updates // 11)
        shorter = 0 < model_updates < self.num_updates
        allowed = f"between 1 and num_updates={self.num_updates}, without it"
        check_range("model_updates", model_updates, shorter, allowed)
        check_range("elites", elites, 1 <= elites <= networks, f"from 1 to networks={networks}")
        check_range("holdout", holdout, 0 < holdout < 1, "in (0, 1)")
        check_range("real_fraction", real_fraction, 0 < real_fraction < 1, "in (0, 1)")
        lengths = {
            "rollout_length": rollout_length,
            "rollout_every": rollout_every,
            "rollouts_kept": rollouts_kept,
        }
        for name, value in lengths.items():
            check_range(name, value, value >= 1, "from 1 on")
        if termination not in TERMINATIONS:
            raise ValueError(
                f"termination={termination} is unknown{nearest(termination, TERMINATIONS)}"
            )
        if normalised not in ("model", "all"):
            raise ValueError(f"normalised={normalised} must be model or all")
        self.standardise_for_model: nn.Module = nn.Identity()
        if normalised == "model":
            self.standardise_for_model, self.standardise = self.standardise, nn.Identity()
        self.model = DynamicsEnsemble(
            observation_dim, len(action_low), model_hidden, networks, self.generators("model")
        )
        self.learning_rates["model"] = model_lr
        self.model_updates = model_updates
        self.elites = elites
        self.rollout_length = rollout_length
        self.rollout_every = rollout_every
        self.real_fraction = real_fraction
        self.termination = TERMINATIONS[termination]
        self.rollouts = Rollouts(rollouts_kept)
        # Sum and number of each network's errors on held-out data, the older the lighter.
        self.register_buffer("held_out_sum", torch.zeros(self.runs, networks))
        self.register_buffer("held_out_count", torch.zeros(self.runs, 1))
        self.held_out_sum: Tensor
        self.held_out_count: Tensor

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """Data that the model is not fitted to."""
        return Needs(holdout=options["holdout"])

    def networks_due(self, update: int) -> tuple[str, ...]:
        """The model alone in the first `model_updates`, then the others."""
        modelling = update < self.model_updates
        return tuple(n for n in super().networks_due(update) if (n == "model") == modelling)

    def update(self, batch: Batch) -> None:
        """The model; after `model_updates`, CQL's update on data and rollouts.

        Every `rollout_every` updates new rollouts are made first.
        """
        if self.due("model"):
            measured = self.minimise("model", self.model_loss, batch)
            self.remember_errors(batch, measured)
            return
        if (self.updates_done - self.model_updates) % self.rollout_every == 0:
            self.roll_out(batch)
        super().update(self.mixture(batch))

    def measure(self, batch: Batch) -> None:
        """The model alone: the other losses are of rollouts, which an update makes and keeps."""
        self.minimise("model", self.model_loss, batch)

    def model_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Maximum likelihood of what is not held out: (R,), and metrics (R,)."""
        assert batch.held_out is not None
        mean, log_var = self.predict(batch.observations, batch.actions)
        change = batch.next_observations - batch.observations
        target = torch.cat((change, batch.rewards[..., None]), -1)
        nll = gaussian_nll(mean, log_var, target[:, None])  # (R, K, B)
        loss = ensemble_loss(nll, 1 - batch.held_out) + BOUND_WEIGHT * self.model.bounds()
        count = batch.held_out.sum(-1, keepdim=True).clamp(min=1)
        errors = (nll.detach() * batch.held_out[:, None]).sum(-1) / count
        return loss, {f"model/held_out_{k}": error for k, error in enumerate(errors.unbind(1))}

    def predict(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of (s' - s, r): (R, N, O), (R, N, A) to two of (R, K, N, O + 1)."""
        predicted: tuple[Tensor, Tensor] = self.model(
            self.standardise_for_model(observations), actions
        )
        return predicted

    def ended(self, reached: Tensor) -> Tensor:
        """Whether an imagined episode ends in the observations that it reached, (R, B) bool."""
        # The rules are about metres and radians.
        if isinstance(self.standardise, Standardiser):
            reached = self.standardise.inverse(reached)
        return self.termination(reached)

    def farthest(self, observations: Tensor) -> Tensor:
        """`FARTHEST` standard deviations in the units of observations (R, B, O): (O,)."""
        if isinstance(self.standardise_for_model, Standardiser):
            return FARTHEST * self.standardise_for_model.scale
        normalised = isinstance(self.standardise, Standardiser)
        return observations.new_full(observations.shape[-1:], FARTHEST if normalised else math.inf)

    @torch.no_grad()
    def remember_errors(self, batch: Batch, measured: Metrics) -> None:
        """Add the networks' errors on held-out data, as `model_loss` measured them, to the sums."""
        assert batch.held_out is not None
        count = batch.held_out.sum(-1, keepdim=True)
        networks = range(self.held_out_sum.shape[1])
        errors = torch.stack([measured[f"model/held_out_{k}"] for k in networks], 1)
        self.held_out_sum.mul_(MEMORY).add_(errors * count)
        self.held_out_count.mul_(MEMORY).add_(count)

    def elite_networks(self) -> Tensor:
        """Numbers of the networks with the least error on held-out data, (R, elites)."""
        errors = self.held_out_sum / self.held_out_count.clamp(min=1)
        return errors.topk(self.elites, largest=False).indices

    @torch.no_grad()
    def roll_out(self, batch: Batch) -> None:
        """Roll the policy out in the model for h steps, from the states of a batch.

        A rollout whose episode ends restarts from its first state. Each step is predicted by one of
        the elites, drawn at random. Where observations are normalised, none gets further than
        `FARTHEST` from its first state: errors of a model that is asked about what it never saw
        feed on themselves.
        """
        elites = self.elite_networks()
        here = first = batch.observations
        farthest = self.farthest(first)
        steps = []
        for i in range(self.rollout_length):
            noise = self.noise.normal(f"rollout/{i}/policy", batch.actions)
            actions, _ = self.actor.sample(here, noise)
            drawn = self.noise.unit(f"rollout/{i}/elite", batch.rewards)
            network = elites.gather(1, (drawn * self.elites).long())  # (R, B)
            mean, log_var = (
                of_all.take_along_dim(network[:, None, :, None], 1).squeeze(1)
                for of_all in self.predict(here, actions)
            )
            noise = self.noise.normal(f"rollout/{i}/model", mean)
            change = mean + (0.5 * log_var).exp() * noise
            there, rewards = here + change[..., :-1], change[..., -1]
            there = there.clamp(first - farthest, first + farthest)
            ended = self.ended(there)
            steps.append(Batch(here, actions, rewards, ended.float(), there))
            here = torch.where(ended[..., None], first, there)
        columns = zip(*(step[:5] for step in steps), strict=True)
        self.rollouts.write(Batch(*(torch.cat(parts, 1) for parts in columns)))

    def mixture(self, batch: Batch) -> Batch:
        """Replace the last part of a batch by rollouts; its first `real_count` stay the data's."""
        real = self.real_count(batch)
        imagined = self.rollouts.draw(self.noise.unit("rollouts", batch.rewards[:, real:]))
        parts = zip(batch[:5], imagined[:5], strict=True)
        return Batch(*(torch.cat((data[:, :real], model), 1) for data, model in parts))

    def real_count(self, batch: Batch) -> int:
        """How many of a batch are the data's, at least one of each kind."""
        size = batch.rewards.shape[1]
        return min(max(1, round(self.real_fraction * size)), size - 1)

    def critic_loss(self, batch: Batch, draws: Draws) -> tuple[Tensor, Metrics]:
        """TD on the mixture and the gap of its two parts, for both critics: (R,), metrics (R,)."""
        real = self.real_count(batch)
        target = self.target(batch, draws)
        imagined = Batch(*(column[:, real:] for column in batch[:5]))
        actions, log_density = self.propose(imagined, Draws(*(d[:, :, real:] for d in draws)))
        q = self.critic(batch.observations, batch.actions)
        proposed = of_each(self.critic, imagined.observations, actions)
        gap = rollout_gap(q[:, :, :real], proposed, log_density)
        td = td_loss(q, target)
        metrics = {
            "value/q": q[:, :, :real].detach().mean((1, 2)),
            "value/q_of_rollouts": q[:, :, real:].detach().mean((1, 2)),
            "penalty/td": td.detach(),
            "penalty/gap": gap.detach().mean(-1),
            "model/reward": imagined.rewards.mean(-1),
            "model/ended": imagined.terminated.mean(-1),
        }
        return td + self.penalty(gap), metrics

    def on_train_start(self) -> None:
        """Bring what was read from a checkpoint to the device."""
        super().on_train_start()
        self.rollouts.to(self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the rollouts, which later updates draw from."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["rollouts"] = self.rollouts.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` kept."""
        super().on_load_checkpoint(checkpoint)
        self.rollouts.load(checkpoint["rollouts"])
