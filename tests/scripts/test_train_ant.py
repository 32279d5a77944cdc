"""The trainer of the Ant: its equations, and that its checkpoints are what the package reads."""

import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ivr.data.generation import ant
from ivr.data.generation.ant import Network

ROOT = Path(__file__).parents[2]


SCRIPTS = ROOT / "scripts"


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield
        for name in ("ant_plane", "ant_ppo", "train_ant"):
            sys.modules.pop(name, None)


@pytest.fixture
def plane(scripts) -> ModuleType:
    return importlib.import_module("ant_plane")


@pytest.fixture
def ppo(scripts) -> ModuleType:
    return importlib.import_module("ant_ppo")


@pytest.fixture
def trainer(scripts) -> ModuleType:
    return importlib.import_module("train_ant")


def test_advantages_are_the_discounted_sums_of_their_definition(ppo):
    rng = np.random.default_rng(0)
    steps = 7
    batch = {
        "rewards": rng.standard_normal((steps, 2)).astype(np.float32),
        "values": rng.standard_normal((steps + 1, 2)).astype(np.float32),
        "ends": np.zeros((steps, 2), np.float32),
    }
    batch["ends"][3, 0] = 1
    found = ppo.advantages(batch)
    for column, start, stop in ((0, 1, 4), (0, 5, 7), (1, 0, 7)):
        expected, weight = 0.0, 1.0
        for t in range(start, stop):
            after = 0 if batch["ends"][t, column] else batch["values"][t + 1, column]
            error = batch["rewards"][t, column] + 0.99 * after - batch["values"][t, column]
            expected, weight = expected + weight * error, weight * 0.99 * 0.95
        assert_allclose(found[start, column], expected, rtol=1e-5)


def test_a_round_improves_the_networks_and_numpy_computes_what_torch_does(plane, ppo, monkeypatch):
    monkeypatch.setattr(plane, "ROUND_STEPS", 8)
    torch.manual_seed(0)
    learner, ants = ppo.Learner(), plane.Plane(3, seed=0)
    before = learner.arrays()
    batch = ants.round(before)
    assert batch["seen"].shape == (8, 3, 29) and batch["values"].shape == (9, 3)
    ppo.improve(learner, torch.optim.Adam(learner.parameters(), 1e-3), batch)
    after = learner.arrays()
    assert all(np.isfinite(value).all() for value in after.values())
    assert all(not np.array_equal(before[key], after[key]) for key in after)
    assert_allclose(after["mean"], batch["seen"].reshape(-1, 29).mean(0), atol=1e-4)
    seen = torch.randn(5, 29)
    for name in ("actor", "critic"):
        told = getattr(learner, name)(learner.standardised(seen)).detach().numpy()
        assert_allclose(Network.of(after, name)(seen.numpy()), told, atol=1e-4)
    other = ppo.Learner()
    other.load(after, 24)
    assert all(np.allclose(after[key], value, atol=1e-6) for key, value in other.arrays().items())


def test_the_ant_of_d4rl_begins_as_gymnasiums_with_five_times_its_actions(ppo):
    with np.load(ant.BODIES["gymnasium"].weights) as arrays:
        shipped = dict(arrays)
    learner = ppo.Learner()
    learner.begin_as(shipped, 5.0)
    seen = torch.randn(6, 29)
    told = learner.actor(learner.standardised(seen)).detach().numpy()
    assert_allclose(told, 5 * ant.trained_policy()(seen.numpy()), atol=2e-3)
    before = learner.arrays()
    batch = {
        "seen": torch.randn(4, 2, 29).numpy(), "actions": torch.randn(4, 2, 8).numpy(),
        "log_prob": np.zeros((4, 2), np.float32), "values": np.zeros((5, 2), np.float32),
        "rewards": np.ones((4, 2), np.float32), "ends": np.zeros((4, 2), np.float32),
    }  # fmt: skip
    ppo.improve(learner, torch.optim.Adam(learner.parameters(), 1e-3), batch, actor=False)
    for key, value in learner.arrays().items():
        learns = key.startswith(("critic", "mean", "scale"))
        assert np.array_equal(before[key], value) is not learns, key


def test_an_ant_that_falls_pays_and_starts_again_and_one_that_arrives_gets_a_new_way_point(
    plane, ppo
):
    ants = plane.Plane(2, seed=0)
    ants._age[:] = 0
    ants._target[0] = ants._ants[0].state[0][:2] + np.array([0.2, 0])
    ants._ants[1]._data.qpos[3:7] = [0, 1, 0, 0]  # on its back
    batch = ants.round(ppo.Learner().arrays())
    assert batch["hits"][0].tolist() == [1, 0] and batch["falls"][0].tolist() == [0, 1]
    assert batch["rewards"][0, 0] > 0.4 and batch["rewards"][0, 1] < -0.4
    assert batch["ends"][0].tolist() == [0, 1]
    assert batch["seen"][1, 1, 0] > 0.5, "it stands again"


@pytest.mark.parametrize(
    ("body", "name"), [("gymnasium", "ant_training"), ("d4rl", "ant_training_d4rl")]
)
def test_export_writes_what_the_package_loads(trainer, ppo, tmp_path, monkeypatch, body, name):
    learner = ppo.Learner()
    row = {"speed": 1.0, "way_points_per_1000_steps": 2.0, "falls_per_1000_steps": 0.0}
    trainer.save(learner, [{"steps": 8192, "minutes": 0.1, **row}], tmp_path)
    walker = ant.BODIES[body]._replace(weights=tmp_path / "walker.npz")
    monkeypatch.setitem(ant.BODIES, body, walker)
    monkeypatch.setattr(trainer, "DOCS", tmp_path / "docs")
    trainer.export(tmp_path, body)
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == [
        f"{name}.csv",
        f"{name}.png",
    ]
    seen = torch.randn(4, 29)
    told = learner.actor(learner.standardised(seen)).detach().numpy()
    assert_allclose(ant.trained_policy(body)(seen.numpy()), told, atol=2e-3)  # half precision
    assert (tmp_path / "walker.npz").stat().st_size < 200_000


def test_the_ant_of_d4rl_moves_on_the_plane_as_in_its_environment(plane):
    ants = plane.Plane(1, seed=0, body="d4rl")
    env: Any = gymnasium.make("ivr/D4RLAntMaze-medium-v2").unwrapped
    env.reset(seed=0)
    body = ants._ants[0]
    body.reset(np.zeros(2))
    env.set_state(*body.state)
    random = np.random.default_rng(0)
    for _ in range(10):
        action = random.uniform(-1, 1, 8)
        body.step(action)
        assert_allclose(np.concatenate(body.state), env.step(action)[0], atol=1e-9)
    assert ants._step_seconds == env.dt


@pytest.mark.parametrize("name", ["ant_training", "ant_training_d4rl"])
def test_the_shipped_curve_is_a_table_of_falling_falls(name):
    with open(ROOT / "docs" / f"{name}.csv", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    steps = [row["steps"] for row in rows]
    assert steps == sorted(set(steps)) and len(rows) > 50
    first, last = rows[0]["speed"], rows[-1]["speed"]
    assert last > 0.5 and last > first
