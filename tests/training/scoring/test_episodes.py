"""Every episode behind a score is kept, with what was expected of it."""

import json

import numpy as np
import pytest
import torch

from ivr.evaluation.rollout import Evaluation, episode_seed
from ivr.training.record import EVALUATION_SEED
from ivr.training.scoring.episodes import episodes, in_units_of_value
from ivr.training.scoring.scores import describe, scores
from tests.running import train


def _result(**more):
    return Evaluation(
        metric="success",
        reference=None,
        returns=np.array([[1.0, 0.0, 2.0]]),
        lengths=np.array([[3, 5, 1]]),
        successes=np.array([[True, False, True]]),
        paths=None,
        seconds=0.0,
        env_steps=9,
        seeds=(7, 8, 9),
        **more,
    )


def test_each_episode_stands_with_its_seed():
    (one,) = episodes(_result(), values=np.array([[0.5, 0.25, 0.0]]))
    assert one == {
        "seed": [7, 8, 9], "return": [1.0, 0.0, 2.0], "length": [3, 5, 1],
        "success": [True, False, True], "value": [0.5, 0.25, 0.0],
    }  # fmt: skip
    assert json.loads(json.dumps(one)) == one, "plain types"


def test_returns_are_moved_into_the_units_of_v_by_hand():
    """r' = 2 r - 1 over 3, 5 and 1 steps at gamma 1/2: the shifts sum to 7/4, 31/16 and 1."""
    result = _result(discounted=np.array([[1.0, 0.0, 2.0]]))
    found = in_units_of_value(result, 0.5, 2.0, -1.0)
    assert found.tolist() == [[2 - 7 / 4, -31 / 16, 4 - 1]]
    assert in_units_of_value(result, 1.0, 1.0, -1.0).tolist() == [[1 - 3, -5, 2 - 1]]
    assert in_units_of_value(_result(), 0.5, 2.0, -1.0) is None


def test_a_success_rate_is_said_with_wilsons_interval():
    """2 of 3: centre (2/3 + z^2/6) / (1 + z^2/3), half z sqrt(2/27 + z^2/36) / (1 + z^2/3)."""
    (record,) = scores(_result())
    z2 = 1.959964**2
    centre = (2 / 3 + z2 / 6) / (1 + z2 / 3)
    half = (z2 * (2 / 27 + z2 / 36)) ** 0.5 / (1 + z2 / 3)
    assert record["success_low"] == pytest.approx(centre - half, abs=1e-6)
    assert record["success_high"] == pytest.approx(centre + half, abs=1e-6)
    assert record["length_mean"] == 3
    assert describe(record) == "success 0.67 [0.21, 0.94]"


def test_a_run_keeps_what_its_scores_are_made_of(tmp_path, small_pointmaze):
    words = ("num_updates=8", "eval_every=4", "eval_episodes=3", "seed=[0,1]", "discount=0.99")
    result = train(tmp_path, *words)
    content = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    for k, member in enumerate(result["members"]):
        last, of = member["last"], member["episodes"]["last"]
        assert of["seed"] == [episode_seed(EVALUATION_SEED, i) for i in range(3)]
        assert last["return_mean"] == pytest.approx(np.mean(of["return"]))
        assert last["success_rate"] == pytest.approx(np.mean(of["success"]))
        assert last["length_mean"] == pytest.approx(np.mean(of["length"]))
        assert last["value_start"] == pytest.approx(np.mean(of["value"]))
        # The goal pays 1, and pointmazes are trained on r - 1: -(1 - g^T)/(1 - g) without it.
        for length, success, returned in zip(
            of["length"], of["success"], of["discounted_return"], strict=True
        ):
            worst = -(1 - 0.99**length) / 0.01
            assert returned == pytest.approx(worst, abs=1e-5) or success
        assert member["episodes"]["best"]["seed"] == of["seed"]
        assert content["callbacks"]["EvaluationCallback"]["last_episodes"][k] == of
    logged = (tmp_path / "metrics.csv").read_text()
    for name in ("value_start", "discounted_return", "length_mean"):
        assert f"evaluation/{name}" in logged
    assert "success_low" not in logged, "intervals are for people"
