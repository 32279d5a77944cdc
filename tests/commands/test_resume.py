"""A run that is killed or interrupted, and goes on as if nothing had happened."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ivr.config.arguments import prepare
from ivr.errors import UserError
from ivr.evaluation.rollout import evaluate
from ivr.training.scoring import evaluator
from tests.running import SMALL, train

ROOT = Path(__file__).parents[2]
WORDS = (
    "num_updates=300",
    "eval_every=100",
    "checkpoint_every=50",
    "log_every=20",
    "seed=[0,3]",
    "algo.actor_dropout=0.1",
    "algo.hidden=[16,16]",
    "logger=default",
)

pytestmark = pytest.mark.usefixtures("small_pointmaze")


def logged(folder: Path) -> list[tuple[str, ...]]:
    """The rows of metrics.csv, without what a clock or the machine decides."""
    with (folder / "metrics.csv").open() as file:
        lines = [tuple(row) for row in csv.reader(file)]
    return [
        line for line in lines if line[2] not in ("evaluation/seconds", "evaluation/resident_mib")
    ]


def last_update(folder: Path) -> int:
    path = folder / "metrics.csv"
    lines = path.read_text().splitlines()[1:-1] if path.exists() else []
    return max((int(line.split(",")[0]) for line in lines), default=0)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "train.py", *SMALL, *WORDS, *words, f"hydra.run.dir={folder}"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(folder: Path, update: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 100
    while last_update(folder) < update:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the run made no progress"
        time.sleep(0.02)


def same_state(a: object, b: object, where: str = "") -> None:
    """Tensors equal to the last bit, all else equal."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            same_state(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same_state(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, small_pointmaze):
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder, *WORDS)
    return folder


def assert_equal_runs(folder: Path, uninterrupted: Path) -> None:
    contents = [
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True)
        for f in (folder, uninterrupted)
    ]
    for key in ("state_dict", "optimizer_states", "updates_done", "global_step", "sums"):
        same_state(contents[0][key], contents[1][key], key)
    best = [
        torch.load(f / "checkpoints" / "best.ckpt", weights_only=True)
        for f in (folder, uninterrupted)
    ]
    same_state(best[0]["state_dict"], best[1]["state_dict"])
    assert best[0]["updates"] == best[1]["updates"]
    assert logged(folder) == logged(uninterrupted)
    results = [json.loads((f / "result.json").read_text()) for f in (folder, uninterrupted)]
    assert results[0]["members"] == results[1]["members"]
    assert results[0]["status"] == "finished"


@pytest.mark.parametrize("kill_at", [60, pytest.param(180, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, uninterrupted, kill_at):
    process = start(tmp_path)
    wait_for(tmp_path, kill_at, process)
    process.kill()
    process.communicate()
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert 50 <= checkpoint["updates_done"] < 300
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "running"
    train(tmp_path, *WORDS, "resume=auto")
    assert_equal_runs(tmp_path, uninterrupted)


@pytest.mark.parametrize(
    "which", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_says_so_and_goes_on_to_the_same_bits(tmp_path, uninterrupted, which):
    process = start(tmp_path)
    wait_for(tmp_path, 80, process)
    process.send_signal(which)
    output, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, None), output
    assert "Traceback" not in output
    result = json.loads((tmp_path / "result.json").read_text())
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert result["status"] == "interrupted"
    assert checkpoint["updates_done"] == result["updates_done"] < 300
    train(tmp_path, *WORDS, "resume=auto")
    assert_equal_runs(tmp_path, uninterrupted)


def test_a_run_that_is_stopped_in_its_evaluation_again_and_again_goes_on(tmp_path, monkeypatch):
    """The second time in the evaluation that is made up for before the first update."""

    def stopped(*args, **options):
        signal.raise_signal(signal.SIGTERM)
        return evaluate(*args, **options)

    words = ("num_updates=8", "eval_every=4", "resume=auto")
    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(evaluator, "evaluate", stopped)
            train(tmp_path, *words)
        assert json.loads((tmp_path / "result.json").read_text())["status"] == "interrupted"
    assert train(tmp_path, *words)["status"] == "finished"


def test_a_finished_run_stays_finished(tmp_path):
    words = ("num_updates=10", "eval_every=10")
    before = train(tmp_path, *words)
    after = train(tmp_path, *words, "resume=auto")
    assert after["status"] == "finished" and after["updates_done"] == 10
    assert after["members"] == before["members"]
    assert after["updates_per_second"] > 0


def test_resuming_another_run_is_refused(tmp_path):
    words = ("num_updates=4", "eval_every=4")
    train(tmp_path / "first", *words)
    checkpoint = tmp_path / "first" / "checkpoints" / "last.ckpt"
    for change in ("seed=1", "alpha=3", "algo.target_tau=0.5", "batch_size=16", "discount=0.9"):
        key = change.split("=")[0].split(".")[0]
        with pytest.raises(UserError, match=f"resume=.*{key}="):
            train(tmp_path / "second", *words, change, f"resume={checkpoint}")


def test_a_damaged_training_is_refused_before_it_goes_on(tmp_path):
    words = ("num_updates=4", "eval_every=4")
    train(tmp_path / "first", *words)
    path = tmp_path / "first" / "checkpoints" / "last.ckpt"
    sound = torch.load(path, weights_only=True)
    first, *others = sound["optimizer_states"]
    moments = {i: state | {"exp_avg": torch.zeros(3)} for i, state in first["state"].items()}
    groups = [group | {"params": [0]} for group in first["param_groups"]]
    changed = [group | {"maximize": True} for group in first["param_groups"]]
    for change in (
        {"optimizer_states": others},
        {"optimizer_states": [first | {"state": moments}, *others]},
        {"optimizer_states": [first | {"param_groups": groups}, *others]},
        {"optimizer_states": [first | {"param_groups": changed}, *others]},
        {"sums": [[["loss/value"], torch.zeros(3, 1), 1]]},
        {"callbacks": {"EvaluationCallback": {"best_weights": {"w": torch.zeros(1)}}}},
        {"loops": {"other": {}}},
        {"sums": [[1]]},
        {"updates_done": "four"},
    ):
        torch.save(sound | change, path)
        with pytest.raises(UserError, match=rf"{path} is damaged"):
            train(tmp_path / "second", *words, f"resume={path}")
    torch.save(sound, path)
    assert train(tmp_path / "first", *words, f"resume={path}")["status"] == "finished"


def test_a_checkpoint_is_all_that_the_command_line_needs(tmp_path):
    train(tmp_path, "num_updates=4", "eval_every=4", "alpha=0.7")
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    words = prepare([f"resume={checkpoint}", "eval_episodes=3"])
    replaced = {"eval_episodes=2"}
    assert {"alpha=0.7", "num_updates=4", *SMALL} - replaced <= set(words)
    assert not replaced & set(words) and "eval_episodes=3" in words
    assert f"hydra.run.dir='{tmp_path}'" in words


def test_best_holds_no_optimizers_and_cannot_be_resumed(tmp_path):
    train(tmp_path, "num_updates=4", "eval_every=4")
    with pytest.raises(SystemExit, match=r"only last\.ckpt holds the optimizers"):
        prepare([f"resume={tmp_path / 'checkpoints' / 'best.ckpt'}"])


def test_resume_auto_without_a_checkpoint_starts_from_the_beginning(tmp_path):
    result = train(tmp_path, "num_updates=4", "eval_every=4", "resume=auto")
    assert result["updates_done"] == 4


@pytest.mark.slow
def test_a_sweep_goes_on_in_the_folders_that_it_had(tmp_path):
    """The first job gets further, the second, which never began, begins."""
    words = (*SMALL, *WORDS, f"hydra.sweep.dir={tmp_path}", "sweep=night")

    def sweep(*more: str) -> None:
        command = [sys.executable, "train.py", *words, *more]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    sweep("num_updates=100", "algo=choice(sql)")
    assert json.loads((tmp_path / "algo-sql" / "result.json").read_text())["updates_done"] == 100
    sweep("algo=sql,eql")
    for algo in ("sql", "eql"):
        folder = tmp_path / f"algo-{algo}"
        result = json.loads((folder / "result.json").read_text())
        assert (result["algo"], result["updates_done"]) == (algo, 300)
        updates = [row[0] for row in logged(folder) if row[2] == "loss/value"]
        assert updates == [str(20 * k) for k in range(1, 16) for _ in range(2)], "none twice"
