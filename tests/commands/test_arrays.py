"""Training on one's own data, with and without an environment to evaluate in."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.agreement.names import Names
from ivr.commands import train as run
from ivr.errors import UserError
from ivr.training.checkpoints import load_checkpoint
from tests.data.sources.arrays.arrays_making import encoded_arrays, write_arrays, write_table
from tests.data.sources.d4rl.d4rl_making import Made
from tests.inspection.inspecting import inspect
from tests.running import composed, evaluate


def _train(folder: Path, *words: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    everything = (
        "dataset=arrays", "algo.hidden=[8,8]", "batch_size=8", "num_updates=4", "eval_every=2",
        "eval_episodes=2", "device=cpu", "compile=false", *words,
    )  # fmt: skip
    return run.train(composed(everything), folder, list(everything))


def _data(folder: Path, bound: float) -> Path:
    """Pendulum's shapes: three observations, one action."""
    arrays = encoded_arrays([Made(9, "timeout"), Made(7, "timeout")])
    arrays["observations"] = np.random.default_rng(0).normal(size=(16, 3))
    arrays["actions"] = np.linspace(-bound, bound, 16)[:, None]
    arrays["next_observations"] = None
    return write_arrays(folder / "log", arrays, "parquet of lists")


def test_without_an_environment_there_is_all_but_an_evaluation(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = _data(tmp_path, 3)
    with pytest.warns(UserWarning, match=r"scaled by the data's own bounds"):
        result = _train(tmp_path / "run", f"dataset.path={path}")
    assert result["status"] == "finished" and result["transitions"] == 14
    assert result["dataset_source"] == f"arrays log.parquet at {path}"
    assert "no evaluation: neither the data nor dataset.env name an environment" in caplog.text
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert list((tmp_path / "run" / "tensorboard").rglob("events*"))
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result


def test_columns_by_name_are_normalised_named_and_resumed(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    arrays = encoded_arrays([Made(9, "timeout"), Made(7, "timeout")])
    table = {"T [C]": np.linspace(20, 21, 16), "p_Pa": 1e5 + arrays["rewards"]}
    table |= {
        "valve": np.linspace(0, 1, 16),
        "cost": -table["p_Pa"] / 1e5,
        "day": arrays["episode"],
    }
    words = (
        f"dataset.path={write_table(tmp_path / 'log', table, 'csv')}",
        "dataset.columns.observations=['T [C]',p*]", "dataset.columns.actions=[valve]",
        "dataset.columns.reward=cost", "dataset.columns.episode=day",
    )  # fmt: skip
    result = _train(tmp_path / "run", *words)
    assert result["observation_names"] == ["T [C]", "p_Pa"] and result["action_names"] == ["valve"]
    assert result["columns"]["observations"] == ["T [C]", "p*"]
    assert result["normalize"]["name"] == "standard"
    assert "normalize=none leaves observations raw" in caplog.text
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    content = load_checkpoint(checkpoint)["ivr"]
    assert Names.of(content) == (("T [C]", "p_Pa"), ("valve",))
    resumed = _train(tmp_path / "run", *words, f"resume={checkpoint}", "num_updates=6")
    assert resumed["updates_done"] == 6
    caplog.clear()
    raw = _train(tmp_path / "raw", *words, "normalize=none")
    assert raw["normalize"]["name"] == "none" and "p_Pa is about 1e+05" in caplog.text


def test_time_limits_that_are_recorded_as_terminals_are_told_with_the_cure(tmp_path, caplog):
    arrays = encoded_arrays([Made(4, "terminal")] * 3) | {"episode": None}
    words = (f"dataset.path={write_arrays(tmp_path / 'log', arrays)}", "dataset.action_low=-1",
             "dataset.action_high=9")  # fmt: skip
    _train(tmp_path / "recorded", *words)
    assert "3 of 3 episodes are terminated after exactly 4 steps" in caplog.text
    assert "dataset.terminals=as_timeouts" in caplog.text
    caplog.clear()
    _train(tmp_path / "cured", *words, "dataset.terminals=as_timeouts")
    assert "episodes are terminated" not in caplog.text


def test_with_an_environment_it_is_evaluated_within_its_bounds(tmp_path):
    words = (f"dataset.path={_data(tmp_path, 1)}", "dataset.env=Pendulum-v1")
    limit = ("dataset.max_episode_steps=5",)
    bounds = ("dataset.action_low=-2", "dataset.action_high=[2]")
    result = _train(tmp_path / "run", *words, *limit, *bounds)
    assert result["evaluation"]["environment"].startswith("Pendulum-v1")
    assert result["members"][0]["last"]["return_mean"] < 0
    checkpoint = f"checkpoint={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    for named in ((), ("env=Pendulum-v1",)):  # as the run has it, which is no other environment
        again = evaluate(tmp_path / "scores", checkpoint, *named, "episodes=1")
        assert "another environment" not in again["certificate"]["words"]
    with pytest.raises(UserError, match=r"-2\.0\] to \[2\.0\], the data"):
        _train(tmp_path / "other", *words, "dataset.action_low=-3", "dataset.action_high=2")


def test_where_none_are_given_the_bounds_are_the_environments(tmp_path, recwarn):
    words = (f"dataset.path={_data(tmp_path, 1)}", "dataset.env=Pendulum-v1")
    limit = ("dataset.max_episode_steps=5",)
    bounds = ("dataset.action_low=-2", "dataset.action_high=2")
    found = _train(tmp_path / "none", *words, *limit)
    assert not [w for w in recwarn if "the data's own bounds" in str(w.message)]
    given = _train(tmp_path / "both", *words, *limit, *bounds)
    one = _train(tmp_path / "one", *words, *limit, bounds[0])
    assert len({run["dataset_fingerprint"] for run in (found, given, one)}) == 1
    assert found["members"] == given["members"]
    card, error = inspect(tmp_path / "card", "dataset=arrays", *words)
    assert error is None and (card["actions"]["low"], card["actions"]["high"]) == ([-2], [2])
    with pytest.raises(UserError, match=r"has 3 numbers, and actions have 1: .* environment's"):
        _train(tmp_path / "other", words[0], "dataset.env=Hopper-v5")
