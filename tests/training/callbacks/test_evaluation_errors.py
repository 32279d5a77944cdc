"""An evaluation that fails costs no update, and a score that is no number is never the best."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from ivr.errors import UserError
from tests.running import train


class Line(gymnasium.Env):
    """Three numbers observed, two actions, 5 steps an episode; its faults are switched on."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    fault = ""
    resets = 0
    faulty_resets = range(0)

    def __init__(self, render_mode: str | None = None) -> None:
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        Line.resets += 1
        return self.np_random.normal(size=3).astype(np.float32), {}

    def step(self, action):
        self.steps += 1
        observation, reward = np.zeros(3), 1.0
        if self.steps == 4 and Line.resets in Line.faulty_resets:
            if Line.fault == "raise":
                raise ValueError("sensor 3 does not answer")
            if Line.fault == "observation":
                observation[1] = 1e39
            if Line.fault == "reward":
                reward = float("nan")
        return observation, np.array([reward]), False, False, {}


@pytest.fixture(autouse=True)
def line():
    gymnasium.register("Line-v0", entry_point=Line, max_episode_steps=5)
    Line.fault, Line.resets, Line.faulty_resets = "", 0, range(0)
    yield
    del gymnasium.registry["Line-v0"]


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    rng = np.random.default_rng(0)
    path = tmp_path / "log.npz"
    np.savez(
        path,
        observations=rng.normal(size=(60, 3)).astype(np.float32),
        actions=rng.uniform(-1, 1, (60, 2)).astype(np.float32),
        rewards=np.ones(60, np.float32),
        episode=np.arange(60) // 20,
    )
    return (
        "dataset=arrays",
        f"dataset.path={path}",
        "dataset.action_low=-1",
        "dataset.action_high=1",
        "dataset.env=Line-v0",
        "dataset.max_episode_steps=5",
        "num_updates=8",
        "eval_every=4",
        "seed=[0,1]",
    )


def resets_before_evaluations(words, folder) -> int:
    """How many resets the checks before the first evaluation make."""
    train(folder, *words, "num_updates=4")
    return Line.resets - 4  # two members, two episodes


def checkpoint(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same(a, b) -> bool:
    return all(torch.equal(a["state_dict"][key], b["state_dict"][key]) for key in a["state_dict"])


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("raise", r"it raised ValueError: sensor 3 does not answer \(test_evaluation_errors.py"),
        ("observation", "entry 1 of its observation is inf as a float32"),
    ],
)
def test_an_environment_that_fails_loses_no_update(tmp_path, words, fault, what):
    """The second evaluation fails in its second episode of the first member."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    before = resets_before_evaluations(words, tmp_path / "first")
    result = train(whole, *words)
    # Every environment of an evaluation is reset before the first of them steps.
    Line.resets, Line.fault, Line.faulty_resets = 0, fault, range(before + 8, before + 9)
    place = r"Line-v0 failed in episode \d of seed[01]_alpha1.0, at step 4: "
    with pytest.raises(UserError, match=place + what):
        train(broken, *words)
    kept = json.loads((broken / "result.json").read_text())
    assert (kept["status"], kept["updates_done"]) == ("failed", 8)
    assert checkpoint(broken)["updates_done"] == 8 and same(checkpoint(broken), checkpoint(whole))
    # Its cause mended, the run resumes with that evaluation, and is the one that never failed.
    Line.fault = ""
    resumed = train(broken, *words, "resume=auto")
    assert resumed["status"] == "finished" and resumed["members"] == result["members"]
    assert same(checkpoint(broken), checkpoint(whole))


def test_training_goes_on_without_an_evaluation(tmp_path, words):
    before = resets_before_evaluations(words, tmp_path / "first")
    Line.resets, Line.fault, Line.faulty_resets = 0, "raise", range(before + 4, before + 5)
    result = train(tmp_path / "run", *words, "eval_errors=continue")
    assert result["status"] == "finished" and result["updates_done"] == 8
    (failed,) = result["failed_evaluations"]
    assert failed["update"] == 4 and "sensor 3 does not answer" in failed["error"]
    assert [member["best"]["update"] for member in result["members"]] == [8, 8]
    # The last evaluation: no score is claimed for weights that have none.
    Line.resets, Line.faulty_resets = 0, range(before + 8, before + 30)
    result = train(tmp_path / "last", *words, "eval_errors=continue")
    assert [member["last"] for member in result["members"]] == [None, None]
    assert [member["best"]["update"] for member in result["members"]] == [4, 4]


def test_a_return_that_is_no_number_is_null_and_never_the_best(tmp_path, words, caplog):
    before = resets_before_evaluations(words, tmp_path / "first")
    Line.resets, Line.fault, Line.faulty_resets = 0, "reward", range(before + 4, before + 5)
    train(tmp_path / "run", *words)
    assert "of episode" in caplog.text and "is nan: the environment gave a reward" in caplog.text
    text = (tmp_path / "run" / "result.json").read_text()
    assert "NaN" not in text
    assert [m["best"]["update"] for m in json.loads(text)["members"]] == [8, 8]
    Line.resets, Line.faulty_resets = 0, range(before + 4, before + 99)
    result = train(tmp_path / "never", *words)
    assert [member["best"] for member in result["members"]] == [None, None]
    assert [member["last"]["return_mean"] for member in result["members"]] == [None, None]


def test_an_environment_that_fails_at_once_is_refused_before_training(tmp_path, words, monkeypatch):
    def broken(self, action):
        raise ValueError("no simulator")

    monkeypatch.setattr(Line, "step", broken)
    with pytest.raises(UserError, match="Line-v0 was tried out and failed: ValueError: no simul"):
        train(tmp_path / "run", *words)
    assert not (tmp_path / "run" / "checkpoints").exists()
