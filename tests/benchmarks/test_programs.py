"""The programs of benchmarks/ run; what they measure is not judged here."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ivr.data.generation import antmaze
from ivr.errors import UserError
from tests.data.dataset_making import encoded
from tests.running import train

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def program(name: str):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def advantages():
    return program("advantages")


def test_returns_by_hand(advantages):
    """Rewards 0, 1 | 2, 3; half as much a step; the first ends, the second goes on with V = 8.

    0 + 1/2, 1 | 2 + 7/2, 3 + 8/2.
    """
    data = encoded([2, 2], [True, False])
    found = advantages.returns(data, torch.full((4,), 8.0).numpy(), 0.5)
    assert found.tolist() == [0.5, 1.0, 5.5, 7.0]


def test_a_row_for_each_member(advantages, tmp_path, small_pointmaze):
    train(tmp_path / "sql", "num_updates=4", "seed=[0,1]")
    lines = advantages.report(tmp_path / "sql" / "checkpoints" / "last.ckpt", 2).splitlines()
    assert lines[0] == "after 4 updates" and len(lines) == 5
    assert [float(line.split()[0]) for line in lines[2:4]] == [0, 1]
    assert all(
        torch.tensor([float(x) for x in line.split()]).isfinite().all() for line in lines[2:4]
    )
    assert lines[4].startswith("R^2 of the advantages that came: ")


def test_generalised_advantages_by_hand(advantages):
    """Rewards 0, 1 | 2, 3; half as much a step; V is 4 here and 8 next, but for the one end.

    TD errors 0 + 8/2 - 4 = 0, 1 - 4 = -3 | 2 + 8/2 - 4 = 2, 3 + 8/2 - 4 = 3; each followed by a
    quarter (half of a half) of the next of its episode.
    """
    data = encoded([2, 2], [True, False])
    v, next_v = torch.full((4,), 4.0).numpy(), torch.full((4,), 8.0).numpy()
    found = advantages.generalised_advantages(data, v, next_v, 0.5, decay=0.5)
    assert found.tolist() == [-0.75, -3.0, 2.75, 3.0]


def test_an_action_that_decides_explains_what_the_state_cannot(advantages):
    s, a = torch.randn(2, 4000, 2, generator=torch.Generator().manual_seed(0))
    unseen = torch.arange(4000) % 4 == 0
    by_s, by_both = (
        advantages.explained(x, a[:, 0] * s[:, 0], unseen, 300) for x in (s, torch.cat((s, a), 1))
    )
    assert by_s < 0.05 and by_both > 0.9


def test_an_algorithm_without_v_and_q_is_refused(advantages, tmp_path, small_pointmaze):
    train(tmp_path / "bc", "num_updates=4", "algo=bc")
    with pytest.raises(UserError, match="not of an in-sample actor-critic"):
        advantages.report(tmp_path / "bc" / "checkpoints" / "last.ckpt")


@pytest.mark.slow
def test_the_checks_of_a_gpu_run_on_a_cpu_as_well():
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--members", "2"]
    done = subprocess.run([*command, "--rounds", "1"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in lines if line.startswith("holds")] == [
        "holds  close to the CPU",
        "holds  resumes exactly",
        "holds  never waits",
        "holds  members do not mix",
    ]
    rates = [float(line.split()[2]) for line in lines if line.startswith("      2")]
    assert len(rates) == 2 and min(rates) > 0


@pytest.mark.slow
def test_large_data_reports_memory_and_ratios():
    command = [sys.executable, str(BENCHMARKS / "large_data.py"), "5000", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("5,000 transitions, ")
    ratios = re.findall(
        r"^(\w+(?: \(processor\))?): mapped / in memory ([\d.]+)", done.stdout, re.M
    )
    named = ["drawing", "drawing (processor)", "training", "training (processor)"]
    assert [name for name, _ in ratios] == named and all(float(value) > 0 for _, value in ratios)


def test_a_line_about_the_ant(monkeypatch):
    monkeypatch.setattr(antmaze, "limit_of", lambda name: 20)
    name, *cells, speed, rate = program("ant").row("antmaze-large-play", 2, "gymnasium").split()
    assert name == "antmaze-large-play" and cells == ["0.00", "-", "0.00"]  # 20 steps: nowhere
    assert 0 <= float(speed) < 5 and float(rate) > 0
