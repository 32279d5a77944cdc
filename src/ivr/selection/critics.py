"""The critics of a fitted Q-evaluation, in the units of the recorded rewards."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ivr import random
from ivr.algos.shared.evaluation import FittedQEvaluation
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.transforms.normalisation import SMALLEST, Standard
from ivr.data.transforms.picking import digest
from ivr.losses.evaluation import attainable_range
from ivr.nets.critics import EnsembleCritic
from ivr.selection import fitting
from ivr.selection.options import Options
from ivr.selection.recorded import constant_start, shaped
from ivr.types import Needs

log = logging.getLogger(__name__)

SAMPLE = 4096
"""Transitions that a TD error is measured on."""
FAR = 0.01
_STATES = 1024
"""That a stack of critics is asked about at once."""


@dataclass(frozen=True)
class TD:
    """TD errors of each policy's critics, in recorded units."""

    error: list[float]
    """Root mean square."""
    mean: list[float]
    clipped: list[float]
    """Share of the targets that were cut at all."""
    cut: list[float]
    """Share of those that were cut by more than FAR of the attainable range."""


@dataclass(frozen=True)
class Critics:
    """The fitted critics, which know Q as (Q - start)/spread."""

    algorithm: FittedQEvaluation
    policies: int
    start: float
    spread: float
    limits: tuple[float, float]
    discount: float

    @classmethod
    def fitted(
        cls,
        data: OfflineDataset,
        actions: Tensor,
        discount: float,
        options: Options,
        device: str,
        folder: Path | None,
    ) -> "Critics":
        """Fit K critics for each policy and seed to data with recorded rewards."""
        rewards = data.rewards
        limits = attainable_range(float(rewards.min()), float(rewards.max()), discount)
        start, spread = constant_start(data, discount)
        seeds = [seed for _ in actions for seed in options.seeds]
        served = TransitionDataModule(
            shaped(data, discount, start, spread).to(device),
            seeds=seeds,
            batch_size=min(options.batch_size, data.num_transitions),
            num_updates=options.num_updates,
            chunk=max(1, min(50, 512 // len(seeds))),
            boundaries=(fitting.save_interval(options.num_updates),),
            needs=Needs(bootstrap=options.critics),
            policy_actions=actions.to(device),
        )
        algorithm = FittedQEvaluation(
            observation_dim=data.observation_dim,
            action_low=data.info.action_low,
            action_high=data.info.action_high,
            limits=tuple((limit - start) / spread for limit in limits),  # type: ignore[arg-type]
            discount=discount,
            critics=options.critics,
            hidden=options.hidden,
            critic_lr=options.critic_lr,
            target_tau=options.target_tau,
            seeds=seeds,
            num_updates=options.num_updates,
            **Standard(SMALLEST).fit(data, None),
        )
        log.info(
            f"fits {options.critics} critics to each of {len(actions)} policies"
            + (f" and {len(options.seeds)} seeds" if len(options.seeds) > 1 else "")
        )
        mark = digest(data.info.fingerprint, actions, discount, options.of_the_fit, SMALLEST)
        fitting.train(algorithm, served, device, folder=folder and folder / "critics", mark=mark)
        return cls(algorithm, len(actions), start, spread, limits, discount)

    @property
    def seeds(self) -> int:
        """Runs of each policy."""
        return self.algorithm.runs // self.policies

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q of each policy's critics at (N, O) and (P, N, A): (P, seeds * K, N)."""
        found = []
        for states, taken in zip(
            torch.split(observations, _STATES), torch.split(actions, _STATES, 1), strict=True
        ):
            each = taken.repeat_interleave(self.seeds, 0)
            q = self.algorithm.values(states.expand(len(each), *states.shape), each)
            found.append(q.view(self.policies, -1, q.shape[-1]))
        return torch.cat(found, -1).double() * self.spread + self.start

    def of(self, policy: int) -> Callable[[Tensor, Tensor], Tensor]:
        """The mean critic of one policy, of raw (N, O) and scaled (N, A): (N,) float64."""
        own = slice(policy * self.seeds, (policy + 1) * self.seeds)
        state = self.algorithm.critic.state_dict()
        network = EnsembleCritic(
            *self.algorithm.sizes,
            [torch.Generator() for _ in range(self.seeds)],
            self.algorithm.critics,
        )
        network.load_state_dict({name: weights[own] for name, weights in state.items()})

        @torch.no_grad()
        def critic(observations: Tensor, actions: Tensor) -> Tensor:
            found = []
            for states, taken in zip(
                torch.split(observations, _STATES), torch.split(actions, _STATES), strict=True
            ):
                shown = self.algorithm.standardise(states[None]).expand(self.seeds, -1, -1)
                found.append(network(shown, taken.expand(self.seeds, -1, -1)).mean((0, 1)))
            return torch.cat(found).double() * self.spread + self.start

        return critic

    def td(self, dataset: OfflineDataset, actions: Tensor) -> TD:
        """Measure TD errors on at most SAMPLE transitions of a dataset with recorded rewards."""
        data = shaped(dataset, self.discount, self.start, self.spread)
        low, high = self.algorithm.limits
        index = sample(data)
        sums = torch.zeros(4, self.policies, dtype=torch.float64)
        for some in torch.split(index, _STATES):
            batch = data.gather(some).each(lambda x: x.expand(self.algorithm.runs, *x.shape))
            following = actions[:, data.rows[some] + 1].repeat_interleave(self.seeds, 0)
            errors, cut = self.algorithm.td_errors(batch._replace(next_actions=following))
            parts = (errors.square(), errors, cut > 0, cut > FAR * (high - low))
            for k, part in enumerate(parts):
                by_policy = part.double().view(self.policies, -1, len(some)).mean(1)
                sums[k] += by_policy.sum(-1)
        square, mean, clipped, far = sums / len(index)
        error = square.sqrt() * self.spread
        return TD(error.tolist(), (mean * self.spread).tolist(), clipped.tolist(), far.tolist())


def sample(dataset: OfflineDataset) -> Tensor:
    """Number at most SAMPLE transitions, the same in every call."""
    count = dataset.num_transitions
    order = torch.randperm(count, generator=random.generator(0, "td sample"))
    return order[:SAMPLE].sort().values.to(dataset.rows.device)
