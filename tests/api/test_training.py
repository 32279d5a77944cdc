"""Training from Python is the command's, and leaves the program as it was."""

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import hydra
import pytest
import pytorch_lightning as pl
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

import ivr
from tests.api.api_making import SMALL, own, same_weights
from tests.running import train as command

ROOT = Path(__file__).resolve().parents[2]
MAZE = {"dataset": "pointmaze-umaze", "dataset__max_episode_steps": 20, "eval_episodes": 2}
TINY = SMALL | {"algo__hidden": [16, 16], "batch_size": 32}


@pytest.mark.slow
def test_it_is_the_commands_run_to_the_last_bit(tmp_path, small_pointmaze, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = MAZE | TINY | {"seed": [0, 1], "alpha": (0.1, 0.5)}
    result = ivr.train(**options)
    words = ("seed=[0,1]", "alpha=[0.1,0.5]", "num_updates=4")
    expected = command(tmp_path / "command", *words)
    for name in ("last", "best"):
        ours = result.folder / "checkpoints" / f"{name}.ckpt"
        assert same_weights(ours, tmp_path / "command" / "checkpoints" / f"{name}.ckpt")
    assert result.members == expected["members"] and result.status == "finished"
    means = [member["last"]["return_mean"] for member in expected["members"]]
    assert [member["last"]["return_mean"] for member in result.members] == means
    assert len(result.scores) == 4 and None not in result.scores
    assert result.folder.parts[:3] == ("outputs", "pointmaze-umaze", "sql")
    assert (result.folder / ".hydra" / "overrides.yaml").read_text().splitlines()[:3] == [
        "- dataset=pointmaze-umaze", "- alpha=[0.1,0.5]", "- seed=[0,1]",
    ]  # fmt: skip
    assert "sql on pointmaze-umaze" in (result.folder / "log.txt").read_text()
    printed = capsys.readouterr()
    assert printed.out == "" and "updates/s" not in printed.err
    again = ivr.evaluate(result, episodes=2, seed=1_000_000, folder=tmp_path / "again")
    assert [member["return_mean"] for member in again.members] == means
    assert "success" in capsys.readouterr().out and (tmp_path / "again" / "scores.json").exists()
    best = max(range(4), key=lambda k: means[k])
    assert ivr.load_policy(result.last_checkpoint).best == best
    assert ivr.load_policy(result.best_checkpoint).best is not None


@pytest.mark.slow
def test_it_is_the_run_of_the_root_script(tmp_path):
    data = own()
    result = ivr.train(dataset=data, seed=3, folder=tmp_path / "api", **SMALL)
    words = [f"{key}={value}".replace(" ", "") for key, value in data.options.items()]
    words += ["algo.hidden=[8,8]", "batch_size=16", "num_updates=4", "device=cpu", "compile=false"]
    run = [sys.executable, "train.py", *words, "seed=3", f"hydra.run.dir={tmp_path / 'script'}"]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    assert same_weights(result.last_checkpoint, tmp_path / "script" / "checkpoints" / "last.ckpt")


@pytest.mark.slow
def test_it_resumes_and_the_result_is_as_if_it_had_not_stopped(tmp_path):
    data = own()
    # A schedule that ends with the run would bend where the run is made longer.
    same = SMALL | {"algo__actor_lr_cosine": False}
    whole = ivr.train(dataset=data, folder=tmp_path / "whole", **same | {"num_updates": 6})
    part = ivr.train(dataset=data, folder=tmp_path / "part", **same)
    rest = ivr.train(resume=part.last_checkpoint, num_updates=6, verbose=False)
    assert rest.folder == part.folder and rest.record["updates_done"] == 6
    assert same_weights(whole.last_checkpoint, rest.last_checkpoint)


class Interrupt(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        signal.raise_signal(signal.SIGINT)


def test_the_program_is_as_it_was_also_after_an_interruption(tmp_path):
    loggers = [logging.getLogger(name) for name in (None, "ivr")]

    def state() -> list[object]:
        logs = [(list(one.handlers), list(one.filters), one.level) for one in loggers]
        filters = [list(handler.filters) for handler in loggers[0].handlers]
        signals = [signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)]
        torchs = [
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        ]
        return [logs, filters, signals, torchs, getbase()]

    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("of: mine\n")
    with hydra.initialize_config_dir(str(tmp_path / "conf"), version_base="1.2"):
        before, theirs = state(), GlobalHydra.instance()
        folder = tmp_path / "run"
        with pytest.raises(KeyboardInterrupt):
            for_all = {"trainer.deterministic": True, "trainer.benchmark": True}
            given = {**SMALL, **for_all, "callbacks": [Interrupt()]}
            ivr.train(dataset=own(), folder=folder, eval_every=2, **given)
        assert (folder / "checkpoints" / "last.ckpt").is_file()
        with pytest.raises(ivr.UserError, match="algo=sqll is unknown: did you mean sql"):
            ivr.train(algo="sqll")
        assert state() == before and GlobalHydra.instance() is theirs
        assert hydra.compose("mine") == {"of": "mine"}
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.slow
def test_it_trains_in_threads_which_take_turns(tmp_path):
    data, found = own(), {}

    def train(seed: int) -> None:
        found[seed] = ivr.train(dataset=data, seed=seed, folder=tmp_path / str(seed), **SMALL)

    threads = [threading.Thread(target=train, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed].status for seed in (0, 1)] == ["finished", "finished"]


def test_messages_are_printed_once(tmp_path, capsys, caplog):
    verbose = SMALL | {"verbose": True}
    ivr.train(dataset=own(), folder=tmp_path / "1", **verbose)
    # pytest's own handler stands at the root, for warnings, and gets none of this.
    assert capsys.readouterr().out.count("sql on arrays") == 1 and "sql on" not in caplog.text
    caplog.set_level(logging.INFO)
    ivr.train(dataset=own(), folder=tmp_path / "2", **verbose)
    assert "sql on" not in capsys.readouterr().out and caplog.text.count("sql on arrays") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 1}, "unknown key lr: did you mean algo.actor_lr"),
        ({"seed": -1}, r"seed=-1: "),
        ({"algo": "iql", "alpha": 0.5}, "algo.temperature"),
        ({"alpha": object()}, "alpha=<object object .* is of type object"),
        ({"experiment": "noisy_data"}, "experiment=noisy_data is many runs"),
        ({"config_dir": "nowhere"}, "nowhere: there is no such folder"),
        ({"eval_errors": "1,2"}, "eval_errors=1,2: must be stop or continue"),
    ],
)
def test_a_wrong_option_is_an_error_with_the_commands_words(options, message, tmp_path):
    with pytest.raises(ivr.UserError, match=message):
        ivr.train(folder=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_refused_by_the_name_it_was_given_by(tmp_path):
    folder = tmp_path / "it's a=b, ${x}"
    result = ivr.train(dataset=own(), folder=folder, **SMALL)
    assert result.folder == folder and result.last_checkpoint.is_file()
    with pytest.raises(ivr.UserError, match=r"^folder=.* holds a run already"):
        ivr.train(dataset=own(), folder=folder, **SMALL)


def test_without_the_api_the_package_is_imported_at_once():
    code = (
        "import sys, ivr; heavy = {'torch', 'hydra', 'numpy', 'gymnasium'} & set(sys.modules); "
        "assert not heavy, heavy; assert 'train' in dir(ivr) and ivr.__version__; "
        "assert not hasattr(ivr, 'trane')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (pl.callbacks.ModelCheckpoint, "ModelCheckpoint is no Lightning callback; make one"),
        ([3], "int is no Lightning callback"),
        ({"a": 1}, "dict is no Lightning callback"),
        ("early_stoping", "did you mean early_stopping"),
        ([pl.callbacks.WeightAveraging()], "WeightAveraging cannot be used"),
    ],
)
def test_what_is_no_callback_is_said(tmp_path, callbacks, message):
    with pytest.raises(ivr.UserError, match=message):
        ivr.train(dataset=own(), folder=tmp_path / "run", callbacks=callbacks, **TINY)


def test_callbacks_may_be_named_or_given_or_none(tmp_path):
    class Counter(pl.Callback):
        epochs = 0

        def on_train_epoch_end(self, *_):
            self.epochs += 1

    counter = Counter()
    ivr.train(dataset=own(), folder=tmp_path / "one", callbacks=counter, **TINY)
    assert counter.epochs == 1
    ivr.train(dataset=own(), folder=tmp_path / "none", callbacks=None, **TINY)
    both = ivr.train(dataset=own(), folder=tmp_path / "both",
                     callbacks=["model_checkpoint", counter],
                     callbacks__model_checkpoint__monitor="loss/critic", **TINY)  # fmt: skip
    assert both.status == "finished" and counter.epochs == 2


def test_an_option_of_the_trainer_in_a_dict_is_looked_up(tmp_path):
    with pytest.raises(ivr.UserError, match=r"trainer\.gradient_clip_val: the run decides"):
        ivr.train(dataset=own(), trainer={"gradient_clip_val": 1.0}, **TINY)
    result = ivr.train(dataset=own(), folder=tmp_path, trainer={"deterministic": True}, **TINY)
    assert result.status == "finished"
