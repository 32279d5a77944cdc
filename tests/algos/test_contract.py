"""What every algorithm of the project must do; a new one is covered by its line in CASES."""

import functools
import inspect
import io
from unittest.mock import patch

import pytest
import pytorch_lightning as pl
import torch

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.online.frozen import Frozen
from ivr.algos.shared.evaluation import FittedQEvaluation
from ivr.evaluation.stepping.acting import begin_episodes
from tests.algos import algorithm_making
from tests.algos.algorithm_making import (
    ACTIONS,
    CASES,
    STATES,
    build,
    toy_batches,
    toy_windows,
    train,
    until_all_stepped,
)

EVERY_DAY = ("sql", "td3bc", "cql-lagrange", "bcq", "combo")
"""One of each kind, for what takes seconds a case."""

BESIDE = ("eql-paper", "eql-exact", "ivr-exact", "onestep-reverse-kl", "remodel-analytic")
"""Variants whose every line another case runs: slow."""

EACH = [pytest.param(c, marks=pytest.mark.slow) if c in BESIDE else c for c in CASES]

FIRST, ALL = 12, 300
"""Updates in which each step is looked at, and those of a run that is long enough to fall over."""
LENGTHS = [
    *((case, ALL if case in EVERY_DAY else FIRST) for case in CASES if case not in BESIDE),
    *(pytest.param(case, ALL, marks=pytest.mark.slow) for case in CASES if case not in EVERY_DAY),
]

FITTED = {"value", "normaliser", "critic", "behaviour", "vae", "model"}
"""Networks whose loss is an error, or a likelihood of the data, and so falls as they train.

That of an actor depends on how large Q is, and that of a multiplier on the gap.
"""


@pytest.mark.parametrize(("case", "updates"), LENGTHS)
def test_every_networks_own_loss_falls(case, updates, monkeypatch):
    """By each step, on the batch that it was taken on; where a network is fitted, over the run."""
    algorithm = build(case, [0, 1], updates)
    steps: dict[str, list[tuple[int, torch.Tensor, torch.Tensor]]] = {}

    def value_of(loss_fn, *inputs):
        # Released value losses are divided by exp(max z), which is a constant of their gradient.
        with torch.no_grad(), patch.dict(getattr(algorithm, "bounds", {}), batch_max_floor=None):
            return loss_fn(*inputs)[0]

    def watched(name, loss_fn, *inputs):
        if FIRST <= algorithm.updates_done < updates - FIRST:
            return minimise(name, loss_fn, *inputs)
        before = value_of(loss_fn, *inputs)
        metrics = minimise(name, loss_fn, *inputs)
        change = value_of(loss_fn, *inputs) - before
        steps.setdefault(name, []).append((algorithm.updates_done, before, change))
        return metrics

    minimise = algorithm.minimise
    monkeypatch.setattr(algorithm, "minimise", watched)
    train(algorithm, updates)
    assert steps.keys() == set(algorithm.trained_networks)
    for name, taken in steps.items():
        early = [(before, change) for update, before, change in taken if update < FIRST]
        late = [before for update, before, _ in taken if update >= FIRST]
        first, change = (torch.stack(column).mean(0) for column in zip(*early, strict=True))
        assert (change < 0).all(), f"a step of {name} lowers its loss in each run"
        if late:
            last = torch.stack(late).mean(0)
            assert last.isfinite().all(), name
            if name in FITTED or algorithm.trained_networks == ("actor",):
                assert (last < first).all(), name


@pytest.mark.parametrize("case", EACH)
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
    train(algorithm, until_all_stepped(case))
    assert moved == {name: {name} for name in algorithm.trained_networks}
    assert tuple(moved) == algorithm.trained_networks, "the last one counts the updates"


@pytest.mark.parametrize("case", EACH)
def test_every_loss_leaves_gradients_in_its_own_network_alone(case, monkeypatch):
    """Targets, weights and values of other networks are constants of a loss."""
    algorithm = build(case, [0, 1])
    reached: dict[str, set[str]] = {}

    def watched(name, loss_fn, *inputs):
        algorithm.zero_grad(set_to_none=True)
        loss, _ = loss_fn(*inputs)
        loss.sum().backward()
        touched = {k.split(".")[0] for k, p in algorithm.named_parameters() if p.grad is not None}
        reached[name] = touched
        algorithm.zero_grad(set_to_none=True)
        return minimise(name, loss_fn, *inputs)

    minimise = algorithm.minimise
    monkeypatch.setattr(algorithm, "minimise", watched)
    train(algorithm, until_all_stepped(case))
    assert reached == {name: {name} for name in algorithm.trained_networks}


@pytest.mark.parametrize("case", EACH)
def test_a_member_of_a_stack_is_the_run_that_its_seed_alone_would_be(case):
    together, alone = build(case, [0, 1, 2]), build(case, [1])
    train(together), train(alone)
    for (name, stacked), (_, lone) in zip(
        together.named_parameters(), alone.named_parameters(), strict=True
    ):
        torch.testing.assert_close(stacked[1:2], lone, rtol=2e-3, atol=2e-4, msg=name)
    # The tolerance means something: the members themselves differ by far more.
    assert max((p[0] - p[1]).abs().max() for p in together.parameters()) > 0.1


@pytest.mark.parametrize("case", EACH)
def test_actions_are_deterministic_and_inside_the_bounds(case):
    algorithm = build(case, [0, 1])
    observations = 100 * torch.randn(2, 50, STATES, generator=torch.Generator().manual_seed(0))
    actions = algorithm.act(observations)
    assert torch.equal(actions, algorithm.act(observations))
    assert actions.shape == (2, 50, ACTIONS)
    assert (actions >= torch.tensor([-2.0, 0.0])).all()
    assert (actions <= torch.tensor([2.0, 1.0])).all()
    assert actions[..., 0].max() > 1.2 and actions[..., 0].min() < -1.2  # scaled, not clipped to 1


@pytest.mark.parametrize("case", EACH)
def test_a_player_starts_every_episode_as_the_policy_says(case):
    """Whatever was seen and received in the slot before."""
    algorithm = build(case, [0, 1])
    seen = torch.randn(6, 2, 5, STATES, generator=torch.Generator().manual_seed(0))
    player = begin_episodes(algorithm, 5)
    with torch.no_grad():
        for observations in seen:
            player(observations, torch.ones(2, 5), torch.zeros(2, 5, dtype=torch.bool))
        starts = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 1, 1]]).bool()
        actions = player(seen[0], torch.ones(2, 5), starts)
        assert torch.equal(actions[starts], algorithm.act(seen[0])[starts])


@pytest.mark.parametrize("case", EACH)
def test_counters_say_the_number_of_updates(case):
    algorithm = build(case, [0], 33)
    trainer = train(algorithm, 33)
    assert trainer.global_step == algorithm.updates_done == 33
    # All 33 updates report, 5 of them, the last of each chunk, gradients as well.
    state = algorithm.sums.state()
    assert sum(count for *_, count in state) == 33
    ends = {6, 13, 20, 27, 32}
    for name in algorithm.trained_networks:
        steps = {update for update in range(33) if name in algorithm.networks_due(update)}
        told = {
            key: sum(count for names, _, count in state if f"{key}/{name}" in names)
            for key in ("loss", "gradient_norm")
        }
        assert told == {"loss": len(steps), "gradient_norm": len(steps & ends)}


@pytest.mark.parametrize("case", EACH)
def test_weights_survive_a_round_trip_through_a_file(case):
    trained, fresh = build(case, [3]), build(case, [3])
    train(trained, max(5, until_all_stepped(case)))
    observations = torch.linspace(-1, 1, 20 * STATES).view(1, 20, STATES)
    assert not torch.equal(trained.act(observations), fresh.act(observations))
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(trained.act(observations), fresh.act(observations))
    values = trained.state_value(observations), fresh.state_value(observations)
    assert values == (None, None) or torch.equal(*values)


@pytest.mark.parametrize("case", EACH)
def test_a_resumed_run_is_the_run_that_was_not_stopped(case, tmp_path):
    whole, first, second = (build(case, [0, 4], 20) for _ in range(3))
    train(whole, 20)
    train(first, 14).save_checkpoint(tmp_path / "at14.ckpt")
    train(second, 20, checkpoint=tmp_path / "at14.ckpt")
    assert second.updates_done == 20
    for (name, a), b in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


class Measures(pl.Callback):
    """Asks for losses between chunks, on transitions of seed 9."""

    def __init__(self, case):
        self.found, window = [], build(case, [0]).__dict__.get("context")
        batch = toy_batches([9], range(1))
        batch = (batch if window is None else toy_windows(batch, window)).at(0)
        self.batch = batch.each(lambda t: t.expand(2, *t.shape[1:]))

    def on_train_start(self, trainer, module):
        self.found.append(module.losses(self.batch, draw=3))

    def on_train_batch_end(self, trainer, module, *_):
        self.found.append(module.losses(self.batch, draw=3))
        again = module.losses(self.batch, draw=3)
        for name, loss in self.found[-1].items():
            assert torch.equal(loss, again[name]) and loss.shape == (2,), name
        module.action_errors(self.batch), module.fitted(self.batch)


@pytest.mark.parametrize(
    "case",
    [
        c if c in (*EVERY_DAY, "dt", "sql-dropout") else pytest.param(c, marks=pytest.mark.slow)
        for c in CASES
    ],
)
def test_measuring_losses_changes_nothing(case):
    """Neither weights, moments, counters nor draws: the run is the one that was not measured."""
    plain, measured = build(case, [0, 4], 20), build(case, [0, 4], 20)
    asked = Measures(case)
    before, after = train(plain, 20), train(measured, 20, callbacks=[asked])
    for (name, a), b in zip(
        plain.state_dict().items(), measured.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    for one, other in zip(before.optimizers, after.optimizers, strict=True):
        for a, b in zip(one.state.values(), other.state.values(), strict=True):
            assert all(torch.equal(a[key], b[key]) for key in a)
    same = [algorithm.sums.state() for algorithm in (plain, measured)]
    for a, b in zip(*same, strict=True):
        assert a[0] == b[0] and torch.equal(a[1], b[1]) and a[2] == b[2]
    names = {name for name in asked.found[-1] if name.startswith("loss/")}
    wanted = ("model",) if case == "combo" else measured.trained_networks
    if not case.startswith("remodel"):  # a run that collects data is not measured
        assert names == {f"loss/{name}" for name in wanted}
    assert not torch.equal(*(asked.found[i][min(names)] for i in (0, -1)))


@pytest.mark.parametrize(
    "case",
    [c if c in EVERY_DAY[:2] else pytest.param(c, marks=pytest.mark.slow) for c in CASES],
)
def test_compiled_losses_are_the_same_losses(case, monkeypatch):
    """Traced whole, without a break back into Python; the compiler's own back end is not timed."""
    torch._dynamo.reset()  # it gives a function up that it has compiled too often
    plain, compiled = build(case, [0, 1], 3), build(case, [0, 1], 3)
    compiled.compile_updates = True
    whole = functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", whole)
    train(plain, 3), train(compiled, 3)
    if compiled.one_graph:
        assert compiled._stepper.compiles, "the graph was not replaced by eager updates"
    else:
        assert set(compiled._stepper._compiled) == set(compiled.networks_due(0)) | set(
            compiled.networks_due(2)
        )
    for (name, a), b in zip(plain.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("case", EACH)
def test_normalised_observations_are_the_same_whatever_their_units(case, monkeypatch):
    """Training on s and on 4 s + 8, each with its own mean and scale, is the same training."""
    mean, scale = torch.tensor([0.5, -0.25, 0.0]), torch.tensor([0.5, 2.0, 1.0])
    fitted = {"input_mean": mean.tolist(), "input_scale": scale.tolist()}
    moved = {
        "input_mean": (4 * mean + 8).tolist(),
        "input_scale": (4 * scale).tolist(),
    }
    plain, normal, other = (build(case, [0, 1], 20, **keys) for keys in ({}, fitted, moved))
    train(plain, 20), train(normal, 20)
    drawn = toy_batches([0, 1], range(1)).at(0)

    def shifted(seeds, updates, honest=toy_batches):
        batch = honest(seeds, updates)
        return batch._replace(
            observations=4 * batch.observations + 8,
            next_observations=4 * batch.next_observations + 8,
        )

    monkeypatch.setattr(algorithm_making, "toy_batches", shifted)
    train(other, 20)
    states = drawn.observations
    torch.testing.assert_close(other.act(4 * states + 8), normal.act(states), rtol=1e-3, atol=1e-4)
    assert (plain.act(states) - normal.act(states)).abs().max() > 0.01
    values = normal.state_value(states), other.state_value(4 * states + 8)
    assert values == (None, None) or torch.allclose(*values, rtol=1e-3, atol=1e-4)
    errors = normal.bellman_error(drawn), other.bellman_error(shifted([0, 1], range(1)).at(0))
    if "critic" not in normal.learning_rates:
        assert errors == (None, None)
        return
    torch.testing.assert_close(*errors, rtol=1e-3, atol=1e-4)
    assert errors[0].shape == (2,) and (errors[0] > 0).all() and not errors[0].requires_grad


@pytest.mark.parametrize("case", EACH)
def test_the_metrics_carry_no_gradient(case):
    algorithm = build(case, [0, 1])
    train(algorithm, 3)
    for key, value in algorithm.last_metrics.items():
        assert not value.requires_grad, key
        assert value.shape == ((2, 64) if key.startswith("histogram/") else (2,)), key


UNLISTED = {Frozen, FittedQEvaluation}
"""The first does not train, the second evaluates what others have learned (tests/selection)."""


def test_every_class_in_the_package_has_a_case():
    import importlib
    import pkgutil

    import ivr.algos

    for module in pkgutil.walk_packages(ivr.algos.__path__, "ivr.algos."):
        importlib.import_module(module.name)
    waiting, found = [OfflineAlgorithm], set()
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        ours = (cls for cls in children if cls.__module__.startswith("ivr."))
        found |= {cls for cls in ours if not inspect.isabstract(cls)}
    assert found == {cls for cls, _ in CASES.values()} | UNLISTED
