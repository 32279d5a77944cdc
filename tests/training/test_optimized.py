"""The number that a sweeper receives."""

import csv
import json
import pickle

import cloudpickle
import pytest

from ivr.commands import finetune
from ivr.commands.train import run
from ivr.config.command_line import job
from ivr.errors import UserError
from ivr.training.optimized import check_metric, optimized
from tests.running import SMALL, composed


def result(*last: dict | None) -> dict:
    return {"members": [{"last": score} for score in last]}


def score(of: float, normalized: float | None = None) -> dict:
    return {
        "return_mean": of,
        "normalized_score": normalized,
        "success_rate": None,
        "bellman_error": float("nan"),
    }


def test_it_is_the_mean_over_the_members():
    two = result(score(1.0, 30.0), score(4.0, 50.0))
    assert optimized(two, "evaluation/score", {}) == 40.0  # (30 + 50) / 2
    assert optimized(two, "evaluation/return_mean", {}) == 2.5  # (1 + 4) / 2
    assert optimized(two, None, {}) == 40.0
    assert optimized(result(score(1.0), score(4.0)), "evaluation/score", {}) == 2.5  # no reference


def test_without_an_evaluation_there_is_none_unless_one_was_asked_for():
    assert optimized(result(None), None, {}) is None
    check_metric(None, evaluated=False)
    with pytest.raises(UserError, match="nothing is evaluated"):
        check_metric("evaluation/score", evaluated=False)
    with pytest.raises(UserError, match="optimized_metric=evaluation/score: this training ended"):
        optimized(result(score(1.0), None), "evaluation/score", {})


def test_a_score_of_nought_is_a_score(monkeypatch, tmp_path):
    """In a run online as well: (0 + 50) / 2, whatever the returns are."""
    members = result(score(-350.0, 0.0), score(-100.0, 50.0))
    assert optimized(members, None, {}) == 25.0
    monkeypatch.setattr(finetune, "finetune", lambda *_: members)
    assert finetune.run(composed(("checkpoint=x",), "finetune"), tmp_path, [], lambda: None) == 25.0


@pytest.mark.parametrize("name", ["evaluation/success_rate", "evaluation/bellman_error"])
def test_what_the_evaluation_does_not_have_is_said(name):
    with pytest.raises(UserError, match=f"optimized_metric={name}.*it has evaluation/score"):
        optimized(result(score(1.0, 30.0)), name, {})


def test_an_unknown_metric_is_refused_before_the_training(tmp_path, small_pointmaze):
    words = (*SMALL, "optimized_metric=evaluation/scores")
    with pytest.raises(UserError, match="optimized_metric=evaluation/scores is unknown: did you"):
        run(composed(words), tmp_path, list(words), lambda: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("metric", ["evaluation/return_mean", "loss/critic"])
def test_a_training_returns_the_number(tmp_path, small_pointmaze, metric):
    words = (*SMALL, "num_updates=2", "eval_every=2", "log_every=1", f"optimized_metric={metric}")
    value = run(composed((*words, "algo.hidden=[8,8]")), tmp_path, list(words), lambda: None)
    shown = json.loads((tmp_path / "result.json").read_text())["members"][0]["last"]
    with (tmp_path / "metrics.csv").open() as file:
        losses = [float(row["value"]) for row in csv.DictReader(file) if row["metric"] == metric]
    expected = {"evaluation/return_mean": shown["return_mean"], "loss/critic": losses[-1]}
    assert value == pytest.approx(expected[metric])


def test_a_metric_that_the_training_did_not_have_names_those_that_it_had():
    with pytest.raises(UserError, match=r"loss/critics: .*did you mean loss/critic"):
        optimized(result(None), "loss/critics", {"loss/critic": 1.0})
    for name in ("score", "evalution/score", "evaluation/loss"):
        with pytest.raises(UserError, match="is unknown"):
            check_metric(name, evaluated=True)


def test_a_launcher_can_send_the_job_to_another_process():
    function = pickle.loads(cloudpickle.dumps(job("train")))
    assert function.__module__ == "ivr.commands.train" and callable(function)


@pytest.mark.parametrize("metric", ["loss/critic", "held_out/bellman_error"])
def test_a_run_that_was_killed_after_its_last_update_returns_the_same(
    tmp_path, small_pointmaze, metric
):
    words = (
        *SMALL, "num_updates=4", "eval_every=2", "algo.hidden=[16,16]", "split=0.2", "logger=none",
        f"optimized_metric={metric}",
    )  # fmt: skip
    first = run(composed(words), tmp_path, list(words), lambda: None)
    again = (*words, "resume=auto")
    assert run(composed(again), tmp_path, list(again), lambda: None) == first
