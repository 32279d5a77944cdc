"""What every algorithm of the project must do; a new one is covered by its line in CASES."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from ivr import random
from ivr.algos.base import OfflineAlgorithm
from ivr.algos.bc import BehaviourCloning
from ivr.algos.ivr import ImplicitValueRegularization
from ivr.types import Batch

RELEASED_SQL = {"order": 1.0, "positive_advantage": True, "weight_clip": 100.0}
RELEASED_EQL = {
    "order": 0.0,
    "weight_scale": 10.0,
    "weight_clip": 100.0,
    "exponent_clip": 5.0,
    "batch_max_floor": -1.0,
}
CASES: dict[str, tuple[type[OfflineAlgorithm], dict[str, Any]]] = {
    "sql": (ImplicitValueRegularization, RELEASED_SQL),
    "sql-paper": (ImplicitValueRegularization, {"order": 1.0}),
    "eql": (ImplicitValueRegularization, RELEASED_EQL),
    "eql-paper": (ImplicitValueRegularization, {"order": 0.0}),
    "sql-dropout": (ImplicitValueRegularization, {**RELEASED_SQL, "actor_dropout": 0.1}),
    "bc": (BehaviourCloning, {}),
}
STATES, ACTIONS = 3, 2
UPDATES = 50


def build(case: str, seeds: Sequence[int], num_updates: int = UPDATES) -> OfflineAlgorithm:
    algorithm, options = CASES[case]
    if "alpha" in inspect.signature(algorithm).parameters:
        options = {**options, "alpha": [1.0 + seed for seed in seeds]}
    return algorithm(
        seeds=seeds,
        observation_dim=STATES,
        action_low=[-2.0, 0.0],
        action_high=[2.0, 1.0],
        num_updates=num_updates,
        hidden=(16, 16),
        **options,
    )


def toy_batches(seeds: list[int], updates: range, size: int = 64) -> Batch:
    """Reward -|a - tanh(s)|, noisy actions: (C, R, B) batches, a function of (seed, update)."""
    keys = torch.tensor([random.key(seed, "toy") for seed in seeds])
    numbers = torch.arange(updates.start, updates.stop)
    drawn = 2 * random.uniform(keys, numbers, size * (2 * STATES + ACTIONS)) - 1
    shaped = drawn.view(len(numbers), len(seeds), size, -1)
    states, next_states, noise = shaped.split([STATES, STATES, ACTIONS], -1)
    actions = (torch.tanh(states[..., :ACTIONS]) + 0.5 * noise).clamp(-0.99, 0.99)
    rewards = -(actions - torch.tanh(states[..., :ACTIONS])).abs().sum(-1)
    ended = (states[..., 2] > 0.8).float()
    return Batch(states, actions, rewards, ended, next_states)


class Chunks:
    """An iterable of chunks of at most 7 updates."""

    def __init__(self, seeds: Sequence[int], updates: int) -> None:
        self.seeds, self.updates = list(seeds), updates

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, self.updates, 7):
            yield toy_batches(self.seeds, range(first, min(first + 7, self.updates)))


def train(algorithm: OfflineAlgorithm, updates: int = UPDATES, **kwargs: Any) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=updates,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **kwargs,
    )
    trainer.fit(algorithm, Chunks(algorithm.seeds, updates))
    return trainer


@pytest.mark.parametrize("case", CASES)
def test_losses_are_finite_and_fall(case):
    def losses(updates: int) -> dict[str, float]:
        algorithm = build(case, [0], 300)
        train(algorithm, updates)
        assert set(algorithm.last_metrics) >= {f"loss/{n}" for n in algorithm.learning_rates}
        return {k: v.item() for k, v in algorithm.last_metrics.items() if k.startswith("loss/")}

    first, last = losses(1), losses(300)
    assert all(torch.tensor(list(last.values())).isfinite())
    fitted = "loss/critic" if "loss/critic" in last else "loss/actor"
    assert last[fitted] < first[fitted]


@pytest.mark.parametrize("case", CASES)
def test_each_optimizer_moves_its_own_network_and_nothing_else(case, monkeypatch):
    algorithm = build(case, [0])
    moved: dict[str, set[str]] = {}

    def watched(name, loss_fn, *inputs):
        before = {k: p.clone() for k, p in algorithm.named_parameters()}
        result = minimise(name, loss_fn, *inputs)
        changed = {k for k, p in algorithm.named_parameters() if not torch.equal(p, before[k])}
        moved[name] = {key.split(".")[0] for key in changed}
        return result

    minimise = algorithm.minimise
    monkeypatch.setattr(algorithm, "minimise", watched)
    train(algorithm, 1)
    assert moved == {name: {name} for name in algorithm.learning_rates}
    assert list(moved) == list(algorithm.learning_rates), "the last one counts the updates"


@pytest.mark.parametrize("case", CASES)
def test_a_member_of_a_stack_is_the_run_that_its_seed_alone_would_be(case):
    together, alone = build(case, [0, 1, 2]), build(case, [1])
    train(together), train(alone)
    for (name, stacked), (_, lone) in zip(
        together.named_parameters(), alone.named_parameters(), strict=True
    ):
        torch.testing.assert_close(stacked[1:2], lone, rtol=2e-3, atol=2e-4, msg=name)
    # The tolerance means something: the members themselves differ by far more.
    assert max((p[0] - p[1]).abs().max() for p in together.parameters()) > 0.1


@pytest.mark.parametrize("case", CASES)
def test_actions_are_deterministic_and_inside_the_bounds(case):
    algorithm = build(case, [0, 1])
    observations = 100 * torch.randn(2, 50, STATES, generator=torch.Generator().manual_seed(0))
    actions = algorithm.act(observations)
    assert torch.equal(actions, algorithm.act(observations))
    assert actions.shape == (2, 50, ACTIONS)
    assert (actions >= torch.tensor([-2.0, 0.0])).all()
    assert (actions <= torch.tensor([2.0, 1.0])).all()
    assert actions[..., 0].max() > 1.5 and actions[..., 0].min() < -1.5  # scaled, not clipped to 1


@pytest.mark.parametrize("case", CASES)
def test_counters_say_the_number_of_updates(case):
    algorithm = build(case, [0], 33)
    trainer = train(algorithm, 33)
    assert trainer.global_step == algorithm.updates_done == 33
    assert {count for _, count in algorithm.sums.values()} <= {33, 5}  # 5 chunks of at most 7


@pytest.mark.parametrize("case", CASES)
def test_the_metrics_carry_no_gradient(case):
    algorithm = build(case, [0, 1])
    train(algorithm, 3)
    for key, value in algorithm.last_metrics.items():
        assert not value.requires_grad, key
        assert value.shape == ((2, 64) if key.startswith("histogram/") else (2,)), key


def test_every_class_in_the_package_has_a_case():
    import importlib
    import pkgutil

    import ivr.algos

    for module in pkgutil.iter_modules(ivr.algos.__path__, "ivr.algos."):
        importlib.import_module(module.name)
    waiting, found = [OfflineAlgorithm], set()
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        found |= {cls for cls in children if not inspect.isabstract(cls)}
    assert found == {cls for cls, _ in CASES.values()}
