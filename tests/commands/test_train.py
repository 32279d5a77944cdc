"""A whole training: its folder, its counters, its members, its end."""

import csv
import dataclasses
import json
import math
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from ivr.algos.ivr import ImplicitValueRegularization
from ivr.commands import evaluate as evaluate_command
from ivr.errors import UserError
from ivr.evaluation.scores import Evaluation
from ivr.training.checkpoints import load_policy
from ivr.training.scoring import evaluator as evaluation_module
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari
from tests.running import evaluate, train

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("small_pointmaze")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("algo.order=-1", "order=-1"),
        ("algo.hidden=[-1]", r"layers of \[-1\] units"),
        ("algo.value_lr=-1", "learning rate"),
        ("algo.actor_dropout=1.0", r"actor_dropout=1\.0"),
    ],
)
def test_a_value_that_the_constructor_refuses_is_one_message(tmp_path, word, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, "num_updates=4", word)
    assert not (tmp_path / "result.json").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_pointmaze):
    """33 updates, which no interval divides, of four members."""
    folder = tmp_path_factory.mktemp("run")
    words = ("num_updates=33", "eval_every=14", "checkpoint_every=10", "log_every=5")
    return folder, train(folder, *words, "logger=default", "seed=[0,1]", "alpha=[0.5,2]")


def rows(folder: Path) -> list[dict[str, str]]:
    assert b"\r" not in (folder / "metrics.csv").read_bytes()  # as a resumed run writes it
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_run_folder_holds_everything(finished):
    folder, result = finished
    assert json.loads((folder / "result.json").read_text()) == result
    assert result["status"] == "finished"
    assert [(m["seed"], m["alpha"]) for m in result["members"]] == [
        (0, 0.5),
        (1, 0.5),
        (0, 2.0),
        (1, 2.0),
    ]
    for member in result["members"]:
        assert member["last"]["episodes"] == 2
        assert member["best"]["update"] in (14, 28, 33)
    assert result["algo"] == "sql" and result["protocol"] == "released"
    assert "not D4RL" in result["dataset_source"]
    assert result["evaluation"]["environment"].startswith("PointMaze_UMaze-v3")
    assert result["certificate"]["status"] == "exact"
    assert max(result["certificate"]["deviations"]) < 1e-4
    assert result["wall_seconds"] > 0 and result["updates_per_second"] > 0
    hidden = [path.name for path in folder.rglob(".*")]
    assert hidden == [".lock"], "temporary files were left behind"


def test_every_counter_says_the_number_of_updates(finished):
    folder, result = finished
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    steps = {int(row["update"]) for row in rows(folder)}
    board = EventAccumulator(str(folder / "tensorboard" / "seed1_alpha2.0")).Reload()
    assert result["updates_done"] == result["num_updates"] == 33
    assert checkpoint["global_step"] == checkpoint["updates_done"] == 33
    assert steps == {5, 10, 14, 15, 20, 25, 28, 30, 33}
    assert [e.step for e in board.Scalars("loss/critic")] == [5, 10, 15, 20, 25, 30, 33]
    assert [e.step for e in board.Scalars("evaluation/success_rate")] == [14, 28, 33]
    for state in checkpoint["optimizer_states"]:
        assert {int(s["step"]) for s in state["state"].values()} == {33}


def test_tensorboard_shows_each_member(finished):
    folder, _ = finished
    names = {path.name for path in (folder / "tensorboard").iterdir()}
    assert names == {f"seed{s}_alpha{a}" for s in (0, 1) for a in (0.5, 2.0)}
    board = EventAccumulator(str(folder / "tensorboard" / "seed0_alpha0.5")).Reload()
    tags = board.Tags()
    for group in ("loss", "gradient_norm", "learning_rate"):
        for network in ("value", "actor", "critic"):
            assert f"{group}/{network}" in tags["scalars"]
    for tag in ("value/v", "value/q", "value/advantage", "weight/mean", "weight/sparsity"):
        assert tag in tags["scalars"]
    assert "evaluation/maze" in tags["images"]
    assert "actor_weight" in tags["histograms"]
    content = board.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    shown = set(HParamsPluginData.FromString(content).session_start_info.hparams)
    assert {"algo", "dataset", "seed", "alpha", "batch_size", "algo.critic_lr"} <= shown
    content = board.summary_metadata["_hparams_/experiment"].plugin_data.content
    table = HParamsPluginData.FromString(content).experiment
    assert [x.name for x in table.hparam_infos] == ["algo", "dataset", "alpha", "seed"]
    assert {x.name.tag for x in table.metric_infos} >= {
        "evaluation/score",
        "evaluation/success_rate",
    }
    assert {x.name.tag for x in table.metric_infos} & set(tags["scalars"])
    (page,) = [e for e in board.Tensors("custom_scalars__config__")]
    charts = Layout.FromString(page.tensor_proto.string_val[0]).category[0].chart
    first = [chart.multiline.tag[0] for chart in charts][:6]
    assert [tag.strip("^$") for tag in first if tag.strip("^$") in tags["scalars"]] == [
        "evaluation/score", "evaluation/success_rate", "value/v", "value/q", "weight/mean",
        "weight/sparsity",
    ]  # fmt: skip


def test_metrics_are_means_over_the_updates_since_the_last_row(finished, tmp_path):
    folder, _ = finished
    words = ("num_updates=33", "eval_every=33", "log_every=1", "seed=1", "alpha=2")
    train(tmp_path, *words)
    each = [float(r["value"]) for r in rows(tmp_path) if r["metric"] == "loss/critic"]
    means = {
        int(r["update"]): float(r["value"])
        for r in rows(folder)
        if r["metric"] == "loss/critic" and r["member"] == "seed1_alpha2.0"
    }
    assert means[10] == pytest.approx(np.mean(each[5:10]), rel=1e-3)
    assert means[33] == pytest.approx(np.mean(each[30:33]), rel=1e-3)


def test_best_holds_every_member_as_it_was_at_its_own_best(tmp_path, monkeypatch):
    """Success 1.0, 0.5 at update 5, then 0.5, 1.0 at update 10, then 0, 0 at update 15."""
    outcomes = {5: [[1, 1], [1, 0]], 10: [[1, 0], [1, 1]], 15: [[0, 0], [0, 0]]}
    weights = {}

    def fake(pool, policy, *, members, episodes, **_):
        update = policy.module.updates_done
        successes = np.array(outcomes[update], dtype=bool)
        weights[update] = {k: v.clone() for k, v in policy.module.state_dict().items()}
        return Evaluation(
            metric="success",
            reference=(0.0, 1.0),
            returns=successes.astype(float),
            lengths=np.ones((2, 2), int),
            successes=successes,
            paths=None,
            seconds=0.0,
            env_steps=4,
        )

    monkeypatch.setattr(evaluation_module, "evaluate", fake)
    result = train(tmp_path, "num_updates=15", "eval_every=5", "seed=[0,1]")
    assert [m["best"]["update"] for m in result["members"]] == [5, 10]
    assert [m["best"]["success_rate"] for m in result["members"]] == [1.0, 1.0]
    assert [m["last"]["success_rate"] for m in result["members"]] == [0.0, 0.0]
    content = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert content["updates"] == [5, 10]
    for name, tensor in content["state_dict"].items():
        assert torch.equal(tensor[0], weights[5][name][0]), name
        assert torch.equal(tensor[1], weights[10][name][1]), name


def test_a_member_of_a_stack_scores_what_it_scores_alone(finished, tmp_path):
    words = ("num_updates=33", "eval_every=14", "checkpoint_every=10", "log_every=5")
    alone = train(tmp_path, *words, "seed=1", "alpha=2")
    together = finished[1]["members"][3]
    assert alone["members"][0]["last"]["return_mean"] == together["last"]["return_mean"]
    stacked, _ = load_policy(finished[0] / "checkpoints" / "last.ckpt")
    lone, _ = load_policy(tmp_path / "checkpoints" / "last.ckpt")
    for a, b in zip(stacked.parameters(), lone.parameters(), strict=True):
        torch.testing.assert_close(a[3:], b, rtol=1e-3, atol=1e-4)


def test_a_checkpoint_is_scored_again_and_drawn(finished, tmp_path):
    checkpoint = finished[0] / "checkpoints" / "best.ckpt"
    again = evaluate(tmp_path, f"checkpoint={checkpoint}", "episodes=3", "device=cpu")
    assert json.loads((tmp_path / "scores.json").read_text()) == again
    assert [m["episodes"] for m in again["members"]] == [3] * 4
    assert again["evaluation"]["seed"] != finished[1]["evaluation"]["seed"]
    assert again["certificate"] == finished[1]["certificate"]
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert len(pictures) == 4 and pictures[0] == "maze_seed0_alpha0.5.png"


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"loss of member seed7_alpha1\.0 is not finite at update"):
        train(
            tmp_path,
            "num_updates=400",
            "checkpoint_every=1",
            "log_every=1",
            "eval_every=400",
            "seed=7",
            "alpha=1",
            "algo.critic_lr=1e30",
        )
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "failed"
    _, content = load_policy(tmp_path / "checkpoints" / "last.ckpt")
    assert content["updates_done"] < result["updates_done"]


def test_the_first_loss_that_is_not_finite_is_the_one_that_is_named(tmp_path, monkeypatch):
    honest = ImplicitValueRegularization.critic_loss

    def broken(self, batch):
        loss, metrics = honest(self, batch)
        diverged = torch.tensor([self.updates_done >= 13, self.updates_done >= 12])
        return loss.where(~diverged, torch.nan), metrics

    monkeypatch.setattr(ImplicitValueRegularization, "critic_loss", broken)
    with pytest.raises(
        UserError, match=r"the critic loss of member seed5_.* at update 13"
    ) as caught:
        train(tmp_path, "num_updates=40", "seed=[3,5]")
    assert "checkpoint" not in str(caught.value)  # none was written yet
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "failed"


def test_the_last_good_checkpoint_has_finite_weights(tmp_path):
    with pytest.raises(UserError, match=r"The last good checkpoint is kept: .*last\.ckpt"):
        train(
            tmp_path,
            "num_updates=400",
            "checkpoint_every=1",
            "eval_every=400",
            "algo.critic_lr=1e30",
        )
    policy, _ = load_policy(tmp_path / "checkpoints" / "last.ckpt")
    assert all(p.isfinite().all() for p in policy.parameters())


def test_data_without_an_environment_train_without_an_evaluation(tmp_path, small_pointmaze):
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(small_pointmaze, copy)
    metadata = json.loads((copy / "data" / "metadata.json").read_text())
    for key in ("env_spec", "eval_env_spec"):
        metadata.pop(key, None)
    (copy / "data" / "metadata.json").write_text(json.dumps(metadata))
    result = train(
        tmp_path / "run",
        "num_updates=5",
        f"dataset.path={copy}",
        "dataset.source=minari",
        "dataset.env=null",
        "dataset.maze=null",
        "dataset.metric=return",
    )
    assert result["status"] == "finished" and result["evaluation"] is None
    assert result["members"][0]["last"] is None
    assert math.isfinite(result["updates_per_second"])


@pytest.fixture
def cranes(tmp_path):
    """Data that record an environment that nobody has installed."""
    spec = {"id": "SomeLab/Crane-v3", "entry_point": "crane:Env", "kwargs": {}}
    return write_minari(
        tmp_path / "cranes", encoded_episodes([5, 6]), bounds=(-1, 2), env_spec=json.dumps(spec),
        requirements=["crane>=2", "--index-url=http://elsewhere"],
    )  # fmt: skip


def test_data_of_an_environment_that_is_not_installed_train_without_an_evaluation(
    tmp_path, cranes, caplog
):
    words = ("dataset=minari", f"dataset.path={cranes}", "num_updates=4", "batch_size=4")
    result = train(tmp_path / "run", *words, "dataset.env=null")
    assert result["status"] == "finished" and result["evaluation"] is None
    (told,) = [line for line in caplog.messages if "no evaluation" in line]
    assert "SomeLab/Crane-v3" in told and "pip install 'crane>=2'." in told
    caplog.clear()
    last = f"checkpoint={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    measured = evaluate(tmp_path / "again", last, "video=true")
    assert measured["evaluation"] is None and measured["transitions"] == result["transitions"]
    assert "Once it is, env=MODULE:SomeLab/Crane-v3" in caplog.text
    assert "without an environment there is nothing to film" in caplog.text
    with pytest.raises(UserError, match=r"^env=Crane-v3 is not a registered") as refused:
        evaluate(tmp_path / "again", last, "env=Crane-v3")
    assert "dataset.env" not in str(refused.value)
    with pytest.raises(UserError, match=r"dataset\.env=SomeLab/Crane-v3 is not a registered"):
        train(tmp_path / "named", *words, "dataset.env=SomeLab/Crane-v3")


def test_a_return_that_is_no_number_is_said_and_not_the_best(
    finished, tmp_path, monkeypatch, caplog
):
    (folder, _), filmed = finished, []

    def odd(*given, **more):
        found = evaluate_policies(*given, **more)
        returns = np.concatenate([found.returns[:1] * np.nan, found.returns[1:]])
        return dataclasses.replace(found, returns=returns, metric="return", reference=None)

    evaluate_policies = evaluate_command.evaluate
    monkeypatch.setattr(evaluate_command, "evaluate", odd)
    film = lambda *_, member, **more: filmed.append(member)  # noqa: E731
    monkeypatch.setattr(evaluate_command, "write_video", film)
    best = f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}"
    evaluate(tmp_path, best, "episodes=1", "video=true")
    assert "the environment gave a reward that is not finite" in caplog.text
    assert filmed == [1]


def test_an_evaluation_leaves_the_records_of_a_training_alone(finished):
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=f"hydra.run.dir={folder} holds a training"):
        evaluate(folder, f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", "episodes=1")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


PAGE_FAULTS = """
import resource, sys
from pathlib import Path
import torch
from tests.running import train

def update():
    return float(torch.ones(12_000_000)[0])

def page_faults():
    for _ in range(10):
        update()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        update()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = page_faults()
train(Path(sys.argv[1]), "num_updates=2", "eval_every=2")
print(before, page_faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere nothing is kept")
def test_a_training_keeps_the_memory_that_its_updates_free(tmp_path):
    """Ten updates of 48 MB each: before it the system maps their pages anew, after it none."""
    command = [sys.executable, "-c", PAGE_FAULTS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split()[-2:])
    assert after < 100 < before
