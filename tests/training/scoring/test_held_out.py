"""What is measured on held-out transitions, against plain loops in float64."""

import dataclasses

import numpy as np
import pytest

from ivr.errors import UserError
from ivr.training.scoring.held_out import HeldOut, check_best_by, followed
from tests.algos.algorithm_making import build, toy_batches, train
from tests.data.dataset_making import encoded
from tests.training.scoring.perceptrons import q_of, v_of


def batches(sizes):
    """Of one member, as all are measured on the same."""
    whole = toy_batches([9], range(1), sum(sizes)).at(0).at(0)
    pieces = []
    for first, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        pieces.append(whole.each(lambda t, f=first, s=size: t[f : f + s]))
    return whole, pieces


def test_it_is_what_a_plain_loop_gives():
    algorithm = build("sql", [0, 1], 30)
    train(algorithm, 30)
    whole, pieces = batches([20, 20, 7])
    found = HeldOut(pieces, reward_scale=2.0).measure(algorithm)
    for k, record in enumerate(found):
        errors, targets, left, imitated = [], [], [], []
        for n in range(47):
            s, a, r, d, s2 = (t[n].double().numpy() for t in whole[:5])
            y = r + 0.99 * (1 - d) * v_of(algorithm, k, s2)
            q = [q_of(algorithm, k, i, s, a) for i in (0, 1)]
            errors.append(np.mean([(y - one) ** 2 for one in q]))
            targets.append(y)
            left.append(y - np.mean(q))
            mode = algorithm.mode(whole.observations[n].expand(2, 1, -1))[k, 0].detach().numpy()
            imitated.append(np.mean((mode - a) ** 2))
        assert record["bellman_error"] == pytest.approx(np.mean(errors) / 4, rel=1e-5)
        assert record["explained_variance"] == pytest.approx(
            1 - np.var(left) / np.var(targets), abs=1e-5
        )
        assert record["action_error"] == pytest.approx(np.mean(imitated), rel=1e-5)
        # The critics' loss is the sum over both, in the units trained on.
        assert record["loss/critic"] == pytest.approx(2 * np.mean(errors), rel=1e-5)
    assert found[0]["bellman_error"] != found[1]["bellman_error"]


def test_without_a_critic_it_is_the_imitation_that_is_measured():
    algorithm = build("bc", [0])
    found = HeldOut(batches([16])[1], 1.0).measure(algorithm)
    assert set(found[0]) == {"action_error", "loss/actor"}
    assert followed("auto", sorted(found[0])) == "action_error"
    with pytest.raises(UserError, match=r"best_by=bellman_error: .* There is auto, action_error"):
        followed("bellman_error", sorted(found[0]))


def test_what_is_expected_of_whole_episodes_stands_beside_what_came():
    data = encoded([3, 2], ended=[True, False])
    algorithm = build("sql", [0, 1])
    algorithm.value.mlp.layers[-1].bias.data[:] += 7
    states = data.observations[:, :1].expand(-1, 3)
    data = dataclasses.replace(data, observations=states.clone())
    found = HeldOut(batches([16])[1], 1.0, data).measure(algorithm)
    starts = data.observations[[0, 4]]
    expected = algorithm.state_value(starts.expand(2, 2, 3)).mean(-1)
    came = sum(
        0.99**t * float(data.rewards[i]) for t, i in ((0, 0), (1, 1), (2, 2), (0, 3), (1, 4))
    )
    for k, record in enumerate(found):
        assert record["value_start"] == pytest.approx(float(expected[k]), rel=1e-5)
        assert record["discounted_return"] == pytest.approx(came / 2, rel=1e-5)
    assert "value_start" not in HeldOut(batches([16])[1], 1.0, data).measure(build("bc", [0]))[0]


def test_what_best_by_may_be_is_said_before_anything_is_trained():
    check_best_by("auto", evaluated=True, split=False)
    check_best_by("loss/critic", evaluated=False, split=True)
    with pytest.raises(UserError, match="follows its scores"):
        check_best_by("bellman_error", evaluated=True, split=True)
    with pytest.raises(UserError, match=r"Give split=0\.1 too"):
        check_best_by("bellman_error", evaluated=False, split=False)
