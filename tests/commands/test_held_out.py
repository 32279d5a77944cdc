"""Training with a split: what is measured where nobody can try the policy."""

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ivr.commands import export
from ivr.commands import train as run
from ivr.errors import UserError
from ivr.export.formats import read_facts
from ivr.training.best_member import best_member
from ivr.training.callbacks.guard import Interrupted
from ivr.training.checkpoints import load_checkpoint
from tests.commands.test_resume import same_state
from tests.running import NETWORKS, composed, evaluate, finetune, train

WORDS = (
    "dataset=arrays", "algo.hidden=[8,8]", "batch_size=8", "num_updates=12", "eval_every=4",
    "log_every=2", "device=cpu", "compile=false", "dataset.action_low=-1", "dataset.action_high=1",
    "split=0.25", "seed=[0,3]",
)  # fmt: skip


@pytest.fixture(scope="module")
def log_file(tmp_path_factory) -> Path:
    """Ten episodes of six steps."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "log.npz"
    np.savez(
        path,
        observations=rng.normal(size=(60, 3)),
        actions=rng.uniform(-1, 1, size=(60, 2)),
        rewards=rng.normal(size=60),
        terminated=np.zeros(60, dtype=bool),
        truncated=np.arange(60) % 6 == 5,
    )
    return path


def _train(folder: Path, log_file: Path, *words: str, callbacks=()):
    folder.mkdir(parents=True, exist_ok=True)
    everything = (*WORDS, f"dataset.path={log_file}", *words)
    return run.train(composed(everything), folder, list(everything), callbacks)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, log_file):
    folder = tmp_path_factory.mktemp("whole")
    return folder, _train(folder, log_file)


def test_without_an_environment_there_is_a_held_out_number_and_a_best(whole):
    folder, result = whole
    split = result["split"]
    assert (split["episodes"], split["of_episodes"]) == (2, 10)
    assert split["transitions"] + result["transitions"] == split["of_transitions"]
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    for k, member in enumerate(result["members"]):
        assert member["last"] is None, "no score is made up"
        held_out = member["held_out"]
        assert held_out["best_by"] == "explained_variance" and held_out["last"]["update"] == 12
        logged = {
            int(row["update"]): float(row["value"])
            for row in rows
            if row["metric"] == "held_out/explained_variance"
            if row["member"].startswith(f"seed{member['seed']}")
        }
        assert sorted(logged) == [4, 8, 12]
        at = max(logged, key=logged.get)
        assert held_out["best"]["update"] == best["updates"][k] == at
        assert held_out["best"]["explained_variance"] == pytest.approx(logged[at], rel=1e-6)
        assert held_out["last"]["explained_variance"] == pytest.approx(logged[12], rel=1e-6)


def test_tensorboard_shows_the_measures_and_the_settings_beside_them(whole):
    folder, result = whole
    (label,) = [p.name for p in (folder / "tensorboard").iterdir() if p.name.startswith("seed3")]
    board = EventAccumulator(str(folder / "tensorboard" / label)).Reload()
    found = {e.step: e.value for e in board.Scalars("held_out/bellman_error")}
    last = result["members"][1]["held_out"]["last"]["bellman_error"]
    assert sorted(found) == [4, 8, 12] and found[12] == pytest.approx(last, rel=1e-5)
    assert "_hparams_/session_start_info" in board.summary_metadata


@pytest.mark.slow
def test_what_was_held_out_is_held_out_online_too(small_pointmaze, tmp_path):
    """And beside an environment: best.ckpt follows its scores, the measures stand beside them."""
    words = ("num_updates=20", "eval_every=20", "split=0.2", "seed=[0,3]")
    result = train(tmp_path / "offline", *words)
    member = result["members"][0]
    assert member["last"] is not None and member["held_out"]["best"] is None
    assert member["held_out"]["last"]["action_error"] > 0
    checkpoint = tmp_path / "offline" / "checkpoints" / "last.ckpt"
    online = finetune(
        tmp_path / "online", f"checkpoint={checkpoint}", "online=continue", "num_steps=60",
        "warmup_steps=20", "collect_every=20", "batch_size=16", "eval_every=60", "eval_episodes=2",
        "device=cpu", "compile=false",
    )  # fmt: skip
    for key in ("split", "dataset_fingerprint", "transitions"):
        assert online[key] == result[key]
    last = tmp_path / "online" / "checkpoints" / "last.ckpt"
    words_of_export = (f"checkpoint={last}", f"path={tmp_path / 'policy.pt2'}", "format=torch")
    export.run(composed(words_of_export, "export"), tmp_path, list(words_of_export))
    assert read_facts(tmp_path / "policy.pt2")["update"] == online["updates_done"]
    with pytest.raises(UserError, match="follows its scores"):
        train(tmp_path / "x", *words, "best_by=bellman_error")


def test_all_members_algorithms_and_seeds_share_the_split(whole, log_file, tmp_path):
    other = _train(tmp_path, log_file, "algo=bc", "seed=7", "num_updates=2", "eval_every=2")
    assert other["split"] == whole[1]["split"]
    assert other["dataset_fingerprint"] == whole[1]["dataset_fingerprint"]
    assert other["members"][0]["held_out"]["best_by"] == "action_error"


class _Stops(pl.Callback):
    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step >= 6:
            raise Interrupted


def test_a_stopped_run_goes_on_to_the_same_bits_and_measures(whole, log_file, tmp_path):
    folder, result = whole
    with pytest.raises(SystemExit):
        _train(tmp_path, log_file, callbacks=[_Stops()])
    assert json.loads((tmp_path / "result.json").read_text())["updates_done"] == 6
    again = _train(tmp_path, log_file, "resume=auto", f"hydra.run.dir={tmp_path}")
    assert again["members"] == result["members"]
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (
            torch.load(f / "checkpoints" / name, weights_only=True) for f in (folder, tmp_path)
        )
        same_state(one["state_dict"], other["state_dict"])
    assert (tmp_path / "metrics.csv").read_text() == (folder / "metrics.csv").read_text()


def test_a_run_with_another_split_is_another_run(whole, log_file, tmp_path):
    last = whole[0] / "checkpoints" / "last.ckpt"
    for word in ("split=0.5", "split_seed=1", "best_by=action_error"):
        key = word.partition("=")[0]
        with pytest.raises(UserError, match=rf"{key}=.*but the checkpoint was trained with {key}="):
            _train(tmp_path, log_file, f"resume={last}", word)


def test_what_the_split_cannot_do_is_said_before_it_starts(log_file, tmp_path):
    for words, said in {
        ("split=1",): "split=1: must be a share",
        ("split=0.99",): "none would be left to train on",
        ("split_seed=-1",): "split_seed=-1: must be a whole number from 0",
        ("split=0", "best_by=action_error"): r"nothing is held out .* Give split=0\.1",
        ("best_by=bellmann_error",): "did you mean bellman_error",
        ("split=0", "optimized_metric=held_out/bellman_error"): r"Give split=0\.1 too",
    }.items():
        with pytest.raises(UserError, match=said):
            _train(tmp_path / "x", log_file, *words)
        assert not (tmp_path / "x" / "checkpoints").exists()


def test_the_table_says_that_no_score_is_known(whole, log_file, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    _train(tmp_path, log_file, "num_updates=4")
    assert "held out: 2 of 10 episodes (10 transitions), split=0.25" in caplog.text
    assert "no environment: no score is known" in caplog.text
    header = next(line for line in caplog.text.splitlines() if "explained_variance" in line)
    assert header


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_evaluated_without_an_environment_it_says_what_there_is(whole, tmp_path, caplog, name):
    caplog.set_level(logging.INFO)
    folder, result = whole
    found = evaluate(tmp_path, f"checkpoint={folder / 'checkpoints' / name}", "device=cpu")
    which = name.partition(".")[0]
    for one, member in zip(found["members"], result["members"], strict=True):
        known = member["held_out"][which]
        assert one["held_out"]["last"] == pytest.approx(known, rel=1e-5)
    assert found["evaluation"] is None
    assert "measured on 2 held-out episodes (10 transitions)" in caplog.text


@pytest.mark.slow
def test_without_a_split_it_is_measured_on_what_it_was_trained_on(log_file, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for algo, *words in (("rvs",), ("onestep",), ("dt", *NETWORKS["dt"])):
        folder = tmp_path / algo
        folder.mkdir()
        plain = [w for w in WORDS if algo != "dt" or not w.startswith("algo.hidden")]
        everything = (*plain, f"dataset.path={log_file}", f"algo={algo}", *words, "split=0",
                      "num_updates=2")  # fmt: skip
        run.train(composed(everything), folder, list(everything))
        checkpoint = folder / "checkpoints" / "last.ckpt"
        found = evaluate(tmp_path / "scores", f"checkpoint={checkpoint}", "device=cpu")
        assert (
            found["split"] is None and found["members"][0]["held_out"]["last"]["action_error"] > 0
        )
    assert "the 50 transitions that were trained on, as none are held out" in caplog.text


def test_the_best_member_is_the_one_that_is_best_by_the_measure(whole):
    folder, result = whole
    for name, which in (("best.ckpt", "best"), ("last.ckpt", "last")):
        content = load_checkpoint(folder / "checkpoints" / name)
        known = [member["held_out"][which]["explained_variance"] for member in result["members"]]
        assert best_member(content) == known.index(max(known))
