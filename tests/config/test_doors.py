"""Loggers, callbacks and Trainer options by name and by `_target_`, with the real libraries."""

import csv
import errno
import json
import shutil
import signal
import sys
from pathlib import Path

import numpy
import pytest
import pytorch_lightning as pl
import torch

from ivr.algos.ivr import ImplicitValueRegularization
from ivr.config.arguments import prepare
from ivr.errors import UserError
from ivr.training.checkpoints import load_policy
from ivr.training.scoring import evaluator
from tests.running import evaluate, train

pytestmark = pytest.mark.usefixtures("small_pointmaze")
WORDS = ("num_updates=40", "eval_every=10", "checkpoint_every=10", "log_every=5", "logger=csv")
STOPPING = (
    "callbacks=early_stopping", "callbacks.early_stopping.patience=2",
    "callbacks.early_stopping.min_delta=1e9",
)  # fmt: skip


class Watch(pl.Callback):
    """Records what Lightning's callbacks see."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int]] = []
        self.metrics: dict[str, float] = {}

    def on_train_epoch_end(self, trainer, module):
        self.epochs.append((trainer.current_epoch, trainer.global_step))
        self.metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}


class Marker:
    """Shows that it was built."""

    def __init__(self, path: str) -> None:
        Path(path).touch()


def watched(folder: Path, *words: str) -> tuple[Watch, dict]:
    from ivr.commands.train import train as run
    from tests.running import SMALL, composed

    folder.mkdir(parents=True, exist_ok=True)
    watch, words = Watch(), (*SMALL, "algo.hidden=[16,16]", *words)
    return watch, run(composed(words), folder, list(words), callbacks=[watch])


def content(folder: Path, name: str = "last") -> dict:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def test_an_epoch_is_the_span_between_two_evaluations(tmp_path):
    watch, result = watched(tmp_path, *WORDS, "num_updates=25", "seed=[0,1]", "alpha=1")
    assert watch.epochs == [(0, 10), (1, 20), (2, 25)]
    scores = [member["last"]["normalized_score"] for member in result["members"]]
    assert watch.metrics["evaluation/score"] == pytest.approx(sum(scores) / 2)
    each = [v for k, v in watch.metrics.items() if k.startswith("evaluation/return_mean_seed")]
    assert each == pytest.approx([member["last"]["return_mean"] for member in result["members"]])
    assert {
        "loss/critic",
        "loss/critic_seed0_alpha1.0",
        "learning_rate/value",
    } <= watch.metrics.keys()


def test_one_member_has_plain_names_only(tmp_path):
    watch, _ = watched(tmp_path, *WORDS, "num_updates=10")
    assert not [name for name in watch.metrics if "seed" in name]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, small_pointmaze):
    """Patience 2 without any gain: evaluations at 10 (the best so far), 20 and 30."""
    folder = tmp_path_factory.mktemp("stopped")
    return folder, train(folder, *WORDS, *STOPPING)


def test_early_stopping_ends_the_run_as_finished(stopped):
    folder, result = stopped
    assert (result["status"], result["stopped_early"]) == ("finished", True)
    assert result["updates_done"] == content(folder)["global_step"] == 30
    assert json.loads((folder / "result.json").read_text()) == result


def test_a_stopped_run_does_not_train_on(stopped):
    folder, before = stopped
    again = train(folder, *WORDS, *STOPPING, "resume=auto")
    assert again["updates_done"] == 30 and again["stopped_early"]
    assert again["members"] == before["members"]


def test_a_stopped_run_trains_on_to_more_updates(stopped, tmp_path):
    shutil.copytree(stopped[0], tmp_path / "run")
    result = train(tmp_path / "run", *WORDS, *STOPPING, "num_updates=60", "resume=auto")
    assert result["updates_done"] == 40, "its callback looks again, and ends it again"
    result = train(tmp_path / "run", *WORDS, "num_updates=70", "resume=auto")
    assert (result["updates_done"], result["stopped_early"]) == (70, False)


def test_a_run_that_an_earlier_version_ended_stays_ended(stopped, tmp_path):
    shutil.copytree(stopped[0], tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    saved = torch.load(path, weights_only=True)
    del saved["callbacks"]["LastCheckpoint"]["ended_length"]
    torch.save(saved, path)
    again = train(tmp_path / "run", *WORDS, *STOPPING, "num_updates=60", "resume=auto")
    assert again["updates_done"] == 30


def test_a_limit_of_time_is_no_end(tmp_path, caplog):
    caplog.set_level("INFO")
    words = (*WORDS, "num_updates=100000", "eval_every=90000", "checkpoint_every=90000")
    first = train(tmp_path, *words, "trainer.max_time=00:00:00:01")
    assert "ended before update 100,000 by a callback or trainer.max_time" in caplog.text
    again = train(tmp_path, *words, "trainer.max_time=00:00:00:01", "resume=auto")
    assert again["updates_done"] == first["updates_done"], "the same limit is over"
    more = first["updates_done"] + 10
    ended = f"+callbacks.mine={{_target_: {__name__}.EndsAt, update: {more}}}"
    longer = train(tmp_path, *words, "trainer.max_time=00:01:00:00", "resume=auto", ended)
    assert longer["updates_done"] == more, "a longer limit is not over"
    assert train(tmp_path, *words, "resume=auto")["updates_done"] == more, "a callback is an end"


def test_a_limit_of_time_ends_with_an_evaluation_and_a_checkpoint(tmp_path):
    result = train(tmp_path, *WORDS, "num_updates=100000", "eval_every=90000", "log_every=50000",
                   "checkpoint_every=90000", "trainer.max_time=00:00:00:02")  # fmt: skip
    assert result["stopped_early"] and 0 < result["updates_done"] < 90000
    assert result["members"][0]["last"]["episodes"] == 2
    assert content(tmp_path)["updates_done"] == result["updates_done"]


def test_callbacks_resume_exactly_across_epochs(tmp_path):
    """Stopped at 20 and resumed, with the state of a callback that counts evaluations."""
    words = (
        *WORDS, "callbacks=early_stopping", "callbacks.early_stopping.patience=9",
        "callbacks.early_stopping.min_delta=1e9", "algo.actor_lr_cosine=false",
    )  # fmt: skip
    whole, _ = watched(tmp_path / "whole", *words)
    train(tmp_path / "parts", *words, "num_updates=20")
    first = content(tmp_path / "parts")["callbacks"]
    rest, _ = watched(tmp_path / "parts", *words, "resume=auto")
    assert whole.epochs[2:] == rest.epochs == [(2, 30), (3, 40)]
    ends = [content(tmp_path / name) for name in ("whole", "parts")]
    key = next(key for key in first if key.startswith("EarlyStopping"))
    assert (first[key]["wait_count"], ends[0]["callbacks"][key]["wait_count"]) == (1, 3)
    assert ends[0]["callbacks"][key] == ends[1]["callbacks"][key]
    for name, tensor in ends[0]["state_dict"].items():
        assert torch.equal(tensor, ends[1]["state_dict"][name]), name
    assert ends[0]["global_step"] == ends[1]["global_step"] == 40


def test_model_checkpoints_evaluate_load_and_resume(tmp_path):
    train(tmp_path, *WORDS, "num_updates=20", "callbacks=[model_checkpoint,device_stats]",
          "callbacks.model_checkpoint.save_top_k=-1")  # fmt: skip
    names = {path.stem for path in (tmp_path / "checkpoints").glob("*.ckpt")}
    assert names == {"best", "last", "step=10", "step=20"}
    for name in names:
        path = tmp_path / "checkpoints" / f"{name}.ckpt"
        ours, loaded = load_policy(path)[0], ImplicitValueRegularization.load_from_checkpoint(path)
        for key, tensor in ours.state_dict().items():
            assert torch.equal(tensor, loaded.state_dict()[key]), (name, key)
    path = tmp_path / "checkpoints" / "step=10.ckpt"
    scored = evaluate(tmp_path / "scored", f"checkpoint='{path}'", "episodes=1", "device=cpu")
    assert scored["members"][0]["update"] == 10
    other = train(tmp_path / "other", *WORDS, "num_updates=20", f"resume='{path}'")
    assert other["updates_done"] == 20
    for name, tensor in content(tmp_path)["state_dict"].items():
        assert torch.equal(tensor, content(tmp_path / "other")["state_dict"][name]), name


def test_checkpoints_between_evaluations_are_saved_at_their_updates(tmp_path):
    train(tmp_path, *WORDS, "num_updates=20", "callbacks=model_checkpoint",
          "callbacks.model_checkpoint.monitor=null", "callbacks.model_checkpoint.save_top_k=-1",
          "+callbacks.model_checkpoint.every_n_train_steps=7")  # fmt: skip
    names = {path.stem for path in (tmp_path / "checkpoints").glob("step*")}
    assert names == {"step=7", "step=14"}


def test_stock_monitors_log_to_every_logger(tmp_path):
    train(
        tmp_path, *WORDS, "num_updates=20",
        "+callbacks.lr={_target_: pytorch_lightning.callbacks.LearningRateMonitor, "
        "logging_interval: step}",
        "+callbacks.summary={_target_: pytorch_lightning.callbacks.ModelSummary}",
        "+logger.stock={_target_: pytorch_lightning.loggers.CSVLogger, name: stock, version: a}",
    )  # fmt: skip
    with (tmp_path / "stock" / "a" / "metrics.csv").open() as file:
        stock = list(csv.DictReader(file))
    assert [r["step"] for r in stock if r["evaluation/score"]] == ["10", "20"]
    assert [r["step"] for r in stock if r["loss/critic"]] == ["5", "10", "15", "20"]
    rates = {r["step"]: r["lr-Adam"] for r in stock if r["lr-Adam"]}
    assert list(rates) == ["4", "9", "14", "19"]  # Lightning counts steps from 0
    with (tmp_path / "metrics.csv").open() as file:
        assert "lr-Adam" in {row["metric"] for row in csv.DictReader(file)}


def test_rich_takes_the_place_of_the_progress_bar(tmp_path):
    assert train(tmp_path, *WORDS, "callbacks=rich_progress")["status"] == "finished"


def test_without_loggers_the_result_is_written(tmp_path):
    train(tmp_path, "num_updates=4", "eval_every=4", "logger=none")
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "result.json", "checkpoints"}


def test_tensorboard_alone(tmp_path):
    train(tmp_path, "num_updates=4", "eval_every=4", "logger=tensorboard")
    left = {".lock", "result.json", "checkpoints", "tensorboard"}
    assert {path.name for path in tmp_path.iterdir()} == left


@pytest.mark.parametrize("debug", ["fast", "profiler", "anomaly"])
def test_debug(tmp_path, debug):
    result = train(tmp_path, f"debug={debug}", "num_updates=20", "eval_every=10", "logger=none")
    assert result["updates_done"] == 20
    assert (tmp_path / "fit-profile.txt").exists() == (debug == "profiler")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("+trainer.max_steps=3", r"trainer\.max_steps: .* Use num_updates"),
        ("+trainer.gradient_clip_val=1", r"trainer\.gradient_clip_val: .*algo\.\*"),
        ("+trainer.maxi=1", r"unknown key trainer\.maxi"),
        ("trainer.profiler=quick", r"trainer\.profiler=quick"),
        ("+callbacks.mine=3", r"callbacks\.mine names no class"),
        ("+callbacks.mine={_target_: no.such.Thing}", r"callbacks\.mine: no\.such\.Thing"),
        ("+callbacks.mine={_target_: pathlib.Path}", "no Lightning callback"),
        ("+callbacks.mine={_target_: pytorch_lightning.callbacks.EarlyStopping}", "monitor"),
        ("+callbacks._target_=pathlib.Path", "put it below a name"),
        (
            "+callbacks.mine={_target_: pytorch_lightning.callbacks.EMAWeightAveraging}",
            "WeightAveraging cannot be used: what is evaluated",
        ),
        (
            "+callbacks.mine={_target_: pytorch_lightning.callbacks.BatchSizeFinder}",
            "BatchSizeFinder cannot be used",
        ),
        ("trainer.detect_anomaly=7", r"trainer\.detect_anomaly=7: must be true or false"),
        ("trainer.benchmark=abc", r"trainer\.benchmark=abc: must be true or false"),
        ("trainer.deterministic=wrn", r"trainer\.deterministic=wrn: .*, or warn"),
        ("trainer.max_time=60", r"trainer\.max_time=60: must be a time such as"),
        ("trainer.max_time=00:00:00:00", r"trainer\.max_time=.*above 0"),
        ("trainer.max_time={foo: 1}", r"trainer\.max_time="),
        ("callbacks=device_stats", "Lightning refuses"),
    ],
)
def test_what_cannot_be_built_is_one_message(tmp_path, word, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, "num_updates=4", "eval_every=4", "logger=none", word)


def test_a_monitor_that_nobody_reports_is_one_message(tmp_path):
    with pytest.raises(UserError, match="no/such"):
        train(tmp_path, *WORDS, "callbacks=early_stopping",
              "callbacks.early_stopping.monitor=no/such")  # fmt: skip


def test_an_option_that_the_run_decides_is_refused_before_it_starts():
    with pytest.raises(SystemExit, match="Use num_updates instead"):
        prepare(["trainer.max_steps=3"])


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch, name):
    module = sys.modules[f"pytorch_lightning.loggers.{name}"]
    monkeypatch.setattr(module, f"_{name.upper()}_AVAILABLE", False)
    with pytest.raises(UserError, match=rf"pip install -e '\.\[{name}\]'"):
        train(tmp_path, "num_updates=4", f"logger={name}")


def test_what_a_hostile_checkpoint_names_is_not_built(tmp_path):
    """Neither in its overrides, nor as a callback's state, nor in its configuration."""
    train(tmp_path, "num_updates=4", "eval_every=4")
    path, proof = tmp_path / "checkpoints" / "last.ckpt", tmp_path / "proof"
    hostile = content(tmp_path)
    target = f"{{_target_: {__name__}.Marker, path: {proof}}}"
    evil = [
        f"callbacks.none={target}", f"callbacks={{evil: {target}}}", f"logger.csv={target}",
        f"trainer.profiler={target}", f"callbacks.a._target_={__name__}.Marker",
    ]  # fmt: skip
    for word in evil:
        torch.save(hostile | {"ivr": hostile["ivr"] | {"overrides": [word]}}, path)
        with pytest.raises(SystemExit, match="repeat it"):
            prepare([f"resume={path}"])
    hostile["ivr"]["overrides"] += [
        "callbacks=early_stopping", "callbacks.early_stopping.patience=7",
        f"callbacks.early_stopping.monitor={proof}",
    ]  # fmt: skip
    hostile["callbacks"][f"{__name__}.Marker"] = {"path": str(proof)}
    hostile["ivr"]["config"]["callbacks"] = {"evil": {"_target_": f"{__name__}.Marker"}}
    torch.save(hostile, path)
    words = prepare([f"resume={path}"])
    assert {"callbacks=early_stopping", "callbacks.early_stopping.patience=7"} <= set(words)
    assert not [word for word in words if "_target_" in word or str(proof) in word]
    with pytest.warns(UserWarning, match="Marker"):
        train(tmp_path, "num_updates=4", "eval_every=4", "num_updates=8", f"resume={path}")
    assert not proof.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"best": 3}, "EvaluationCallback lacks best"),
        ({"evaluated_at": -1}, "EvaluationCallback lacks evaluated_at"),
        ({"last": [{"x": []}]}, "EvaluationCallback lacks last"),
        ({"best_weights": {"w": 1}}, "the best weights are of another network"),
    ],
)
def test_a_damaged_state_of_the_evaluation_is_one_message(tmp_path, change, message):
    train(tmp_path, "num_updates=4", "eval_every=4")
    damaged = content(tmp_path)
    damaged["callbacks"]["EvaluationCallback"] |= change
    torch.save(damaged, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match=message):
        train(tmp_path, "num_updates=8", "eval_every=4", "resume=auto")


def test_a_checkpoint_sets_no_other_attribute(tmp_path, monkeypatch):
    train(tmp_path, "num_updates=4", "eval_every=4")
    hostile = content(tmp_path)
    hostile["callbacks"]["EvaluationCallback"] |= {"every": 1, "evaluator": 2, "_evaluate": 3}
    torch.save(hostile, tmp_path / "checkpoints" / "last.ckpt")
    seen, honest = [], evaluator.Evaluator.evaluate
    monkeypatch.setattr(
        evaluator.Evaluator, "evaluate",
        lambda self, module, update: (seen.append(update), honest(self, module, update))[1],
    )  # fmt: skip
    train(tmp_path, "num_updates=8", "eval_every=4", "resume=auto")
    assert seen == [8]


def test_an_accelerator_of_lightning_is_another_name_of_the_device(tmp_path):
    words = ("num_updates=2", "eval_every=2", "device=auto", "trainer.accelerator=cpu")
    assert train(tmp_path / "cpu", *words)["device"] == "cpu"
    for given, message in {
        ("device=auto", "trainer.accelerator=tpu"): r"accelerator=tpu: must be one of auto, cpu",
        ("device=cpu", "trainer.accelerator=gpu"): r"device=cpu, trainer\.accelerator=gpu",
    }.items():
        with pytest.raises(UserError, match=message):
            train(tmp_path / "refused", "num_updates=2", *given)
        assert not (tmp_path / "refused" / "result.json").exists()


class EndsAt(pl.Callback):
    """Ends a training after an update."""

    def __init__(self, update: int) -> None:
        self.update = update

    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.update


class Signalled(pl.Callback):
    """Lets the process receive a signal in the middle of a training."""

    def __init__(self, number: int) -> None:
        self.number = number

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 20:
            signal.raise_signal(self.number)


def test_the_signal_of_slurm_ends_at_a_whole_update_and_the_run_resumes(tmp_path, monkeypatch):
    """In an allocation of two tasks, of which Lightning would make two processes."""
    allocation = {"NTASKS": "2", "JOB_ID": "7", "JOB_NAME": "night", "PROCID": "0", "LOCALID": "0",
                  "NODEID": "0"}  # fmt: skip
    for name, value in allocation.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    from ivr.commands.train import train as run
    from tests.running import SMALL, composed

    (tmp_path / "run").mkdir()
    words = (*SMALL, "algo.hidden=[16,16]", *WORDS)
    with pytest.raises(SystemExit) as end:
        run(composed(words), tmp_path / "run", list(words),
            callbacks=[Signalled(signal.SIGUSR1)])  # fmt: skip
    assert end.value.code == 130 and not list(tmp_path.rglob("hpc_ckpt*"))
    assert content(tmp_path / "run")["updates_done"] < 40
    train(tmp_path / "run", *WORDS, "resume=auto")
    train(tmp_path / "whole", *WORDS)
    ours, whole = (content(tmp_path / name)["state_dict"] for name in ("run", "whole"))
    assert all(torch.equal(ours[key], whole[key]) for key in whole)


class Stateful(pl.Callback):
    """Keeps what is no plain type."""

    def state_dict(self):
        return {"best": [1.0, {"score": numpy.float32(1.5)}]}


def test_a_state_that_no_checkpoint_could_be_read_with_is_refused(tmp_path):
    word = f"+callbacks.mine={{_target_: {__name__}.Stateful}}"
    with pytest.raises(UserError, match=r"state of Stateful holds a numpy\.float32"):
        train(tmp_path, *WORDS, word)
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


class Failing(pl.Callback):
    """Fails as the services of others do."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_batch_end(self, *_):
        if self.name == "connection":
            raise ConnectionError("it is gone")
        if self.name == "plain":
            raise OSError("it is gone")
        raise PermissionError(errno.EACCES, "it is gone", self.name)


@pytest.mark.parametrize("name", ["connection", "plain", "/elsewhere/labels.csv"])
def test_an_error_of_a_callback_is_not_taken_for_a_full_disk(tmp_path, name):
    with pytest.raises(OSError, match="it is gone"):
        train(tmp_path, *WORDS, f"+callbacks.mine={{_target_: {__name__}.Failing, name: {name}}}")


def test_an_error_of_the_runs_own_folder_is_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = tmp_path / "run" / "metrics.csv"
    with pytest.raises(UserError, match=r"cannot write to run: .*it is gone"):
        train(
            Path("run"), *WORDS, f"+callbacks.mine={{_target_: {__name__}.Failing, name: {name}}}"
        )
