"""Every algorithm in small, and a toy problem that it trains on.

A new algorithm is covered by its line in CASES: test_contract.py holds it to what all must do.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch

from ivr import random
from ivr.algos.bc import BehaviourCloning
from ivr.algos.bcq import BatchConstrainedQLearning
from ivr.algos.calql import CalibratedQLearning
from ivr.algos.combo import ConservativeModelBasedPolicyOptimization
from ivr.algos.cql import ConservativeQLearning
from ivr.algos.dt import DecisionTransformer
from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.constructors import keywords
from ivr.algos.iql import ImplicitQLearning
from ivr.algos.ivr import ImplicitValueRegularization
from ivr.algos.mcq import MildlyConservativeQLearning
from ivr.algos.onestep import OneStep, OneStepEasyBCQ, OneStepReverseKL
from ivr.algos.online.calql import CalibratedFromOffline
from ivr.algos.online.remodel import Remodel
from ivr.algos.online.rlpd import PriorData
from ivr.algos.online.sac import SoftFromOffline
from ivr.algos.rvs import ReinforcementViaSupervision
from ivr.algos.shared.soft_actor_critic import SoftActorCritic
from ivr.algos.td3bc import TD3BehaviourCloning
from ivr.algos.xql import ExtremeQLearning
from ivr.types import Batch

RELEASED_SQL = {"order": 1.0, "positive_advantage": True, "weight_clip": 100.0}
RELEASED_EQL = {
    "order": 0.0,
    "weight_scale": 10.0,
    "weight_clip": 100.0,
    "exponent_clip": 5.0,
    "batch_max_floor": -1.0,
}
LAGRANGE = {
    "gap_threshold": 0.8,
    "gap_floor": -200.0,
    "proposals": 3,
    "max_target": True,
    "critic_hidden": (16, 16, 16),
}
COMBO = {
    "normalised": "all",
    "proposals": 3,
    "model_updates": 2,
    "model_hidden": (16, 16),
    "networks": 3,
    "elites": 2,
    "rollout_length": 2,
    "rollout_every": 3,
    "rollouts_kept": 2,
}
REMODEL = {
    "discount": 0.99,
    "reward_range": [-4.0, 0.0],
    "critics": 3,
    "proposals": 2,
    "evaluation_updates": 4,
    "alignment_updates": 4,
}
CASES: dict[str, tuple[type[OfflineAlgorithm], dict[str, Any]]] = {
    "sql": (ImplicitValueRegularization, RELEASED_SQL),
    "sql-paper": (ImplicitValueRegularization, {"order": 1.0}),
    "eql": (ImplicitValueRegularization, RELEASED_EQL),
    "eql-paper": (ImplicitValueRegularization, {"order": 0.0}),
    "sql-dropout": (ImplicitValueRegularization, {**RELEASED_SQL, "actor_dropout": 0.1}),
    "ivr": (ImplicitValueRegularization, {"order": 0.5}),
    "sql-then-actor": (ImplicitValueRegularization, {**RELEASED_SQL, "value_updates": 3}),
    "sql-exact": (ImplicitValueRegularization, {"order": 1.0, "value": "exact"}),
    "eql-exact": (ImplicitValueRegularization, {"order": 0.0, "value": "exact"}),
    "ivr-exact": (ImplicitValueRegularization, {"order": 0.5, "value": "exact"}),
    "iql": (ImplicitQLearning, {"weight_clip": 100.0}),
    "xql": (ExtremeQLearning, {"weight_clip": 100.0}),
    "onestep": (OneStep, {}),
    "onestep-reverse-kl": (OneStepReverseKL, {}),
    "onestep-easy-bcq": (OneStepEasyBCQ, {}),
    "td3bc": (TD3BehaviourCloning, {}),
    "cql": (ConservativeQLearning, {"proposals": 3}),
    "cql-lagrange": (ConservativeQLearning, LAGRANGE),
    "calql": (CalibratedQLearning, LAGRANGE),
    "combo": (ConservativeModelBasedPolicyOptimization, COMBO),
    "bc": (BehaviourCloning, {}),
    "bcq": (BatchConstrainedQLearning, {"vae_hidden": (16, 16)}),
    "mcq": (MildlyConservativeQLearning, {"vae_hidden": (16, 16)}),
    "rvs": (ReinforcementViaSupervision, {"actor_dropout": 0.1}),
    "dt": (
        DecisionTransformer,
        {"embedding": 16, "layers": 2, "heads": 2, "context": 4, "warmup": 5},
    ),
    "remodel": (Remodel, REMODEL),
    "remodel-analytic": (Remodel, {**REMODEL, "remodel": "analytic"}),
    "sac-online": (SoftFromOffline, {"discount": 0.99}),
    "calql-online": (CalibratedFromOffline, {"discount": 0.99, "proposals": 3}),
    "rlpd": (PriorData, {"critics": 3}),
}
STATES, ACTIONS, OUTCOME = 3, 2, [0.5, -1.0]
UPDATES = 20


def arguments_of(
    case: str, seeds: Sequence[int], num_updates: int = UPDATES, **more: Any
) -> dict[str, Any]:
    algorithm, options = CASES[case]
    if "alpha" in keywords(algorithm):
        options = {**options, "alpha": [1.0 + seed for seed in seeds]}
    given = {
        "hidden": (16, 16),
        "outcome_goal": OUTCOME,
        "best_return": 1.0,
    }
    options = {**{k: v for k, v in given.items() if k in keywords(algorithm)}, **options}
    return {
        "seeds": seeds,
        "observation_dim": STATES,
        "action_low": [-2.0, 0.0],
        "action_high": [2.0, 1.0],
        "num_updates": num_updates,
        **options,
        **more,
    }


def build(
    case: str, seeds: Sequence[int], num_updates: int = UPDATES, **more: Any
) -> OfflineAlgorithm:
    made = CASES[case][0](**arguments_of(case, seeds, num_updates, **more))
    if isinstance(made, SoftActorCritic):
        # So that an untrained policy reaches its bounds, whatever its source starts with.
        for network in (made.actor, made.critic, made.target_critic):
            network.mlp.layers[-1].weight.data.mul_(math.sqrt(2) / made.last_gain)
    return made


def toy_batches(seeds: list[int], updates: range, size: int = 64) -> Batch:
    """Reward -|a - tanh(s)|, noisy actions: (C, R, B) batches, a function of (seed, update)."""
    keys = torch.tensor([random.key(seed, "toy") for seed in seeds])
    numbers = torch.arange(updates.start, updates.stop)
    sizes = [STATES, STATES, ACTIONS, ACTIONS, len(OUTCOME)]
    drawn = 2 * random.uniform(keys, numbers, size * sum(sizes)) - 1
    shaped = drawn.view(len(numbers), len(seeds), size, -1)
    states, next_states, noise, next_actions, outcomes = shaped.split(sizes, -1)
    actions = (torch.tanh(states[..., :ACTIONS]) + 0.5 * noise).clamp(-0.99, 0.99)
    rewards = -(actions - torch.tanh(states[..., :ACTIONS])).abs().sum(-1)
    ended = (states[..., 2] > 0.8).float()
    returns = 10 * rewards
    batch = Batch(
        states, actions, rewards, ended, next_states, 0.9 * next_actions, outcomes, returns
    )
    return batch._replace(held_out=(states[..., 0] > 0.8).float())


def toy_windows(batch: Batch, length: int) -> Batch:
    """The same transitions (C, R, B) as windows (C, R, B / K, K); some lack their last step."""
    windows = Batch(*(t if t is None else t.unflatten(2, (-1, length)) for t in batch))
    steps = torch.arange(length).expand(windows.rewards.shape)
    mask = (steps < length - windows.terminated[..., :1]).float()
    return windows._replace(returns_to_go=windows.rewards.cumsum(-1), timesteps=steps, mask=mask)


class Chunks:
    """An iterable of chunks of at most 7 updates, from the one after `done` on."""

    def __init__(
        self, seeds: Sequence[int], updates: int, done: int = 0, window: int | None = None
    ) -> None:
        self.seeds, self.updates, self.done, self.window = list(seeds), updates, done, window

    def __iter__(self) -> Iterator[Batch]:
        for first in range(self.done, self.updates, 7):
            batch = toy_batches(self.seeds, range(first, min(first + 7, self.updates)))
            yield batch if self.window is None else toy_windows(batch, self.window)


def quiet_trainer(updates: int, **kwargs: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        max_steps=updates,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **kwargs,
    )


def train(
    algorithm: OfflineAlgorithm, updates: int = UPDATES, checkpoint: Any = None, **kwargs: Any
) -> pl.Trainer:
    trainer = quiet_trainer(updates, **kwargs)
    done = 0 if checkpoint is None else torch.load(checkpoint, weights_only=True)["global_step"]
    chunks = Chunks(algorithm.seeds, updates, done, getattr(algorithm, "context", None))
    trainer.fit(algorithm, chunks, ckpt_path=checkpoint, weights_only=True)
    return trainer


def until_all_stepped(case: str) -> int:
    """The least updates in which each network steps."""
    algorithm = build(case, [0])
    names, seen, updates = set(algorithm.learning_rates), set(), 0
    while seen < names:
        seen |= set(algorithm.networks_due(updates))
        updates += 1
    return updates
