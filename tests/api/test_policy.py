"""Policies act on numpy arrays in raw units, as their LightningModule does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ivr
from ivr.training.best_member import best_member
from tests.api.api_making import SMALL, log, own

OBSERVATIONS = np.asarray(log()["observations"], np.float32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three members that normalise their observations."""
    folder = tmp_path_factory.mktemp("policy") / "run"
    options = SMALL | {"seed": [0, 1, 2], "normalize": "standard", "alpha": 0.5}
    return ivr.train(dataset=own(), folder=folder, **options).last_checkpoint


def test_it_acts_as_its_module_does(checkpoint):
    policy = ivr.load_policy(checkpoint, member=None)
    stacked = torch.from_numpy(OBSERVATIONS).expand(3, -1, -1)
    expected = policy.algorithm.act(stacked).numpy()
    assert np.ptp(expected, axis=0).min() > 0 and (expected >= 0).all() and (expected <= 100).all()
    np.testing.assert_array_equal(policy.act(OBSERVATIONS), expected)
    np.testing.assert_array_equal(policy.act(OBSERVATIONS, member=1), expected[1])
    np.testing.assert_array_equal(
        ivr.load_policy(checkpoint, member=2).act(OBSERVATIONS), expected[2]
    )
    single = policy.act(OBSERVATIONS[7].tolist(), member=1)
    assert single.shape == (1,) and policy.act(OBSERVATIONS[7]).shape == (3, 1)
    np.testing.assert_allclose(single, expected[1, 7], rtol=1e-5)
    values = policy.algorithm.state_value(stacked)
    np.testing.assert_array_equal(policy.value(OBSERVATIONS, member=2), values[2].numpy())


def test_facts_of_the_run_are_told(checkpoint):
    policy = ivr.load_policy(str(checkpoint))
    assert [(one.seed, one.alpha) for one in policy.members] == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert (policy.observation_dim, policy.action_low, policy.action_high) == (3, [0], [100])
    assert "3 observations to 1 actions; members seed0_alpha0.5" in repr(policy)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 2)), r"have shape \(5, 2\): this policy takes \(3,\) for one, or \(N, 3\)"),
        (np.zeros((1, 5, 3)), r"have shape \(1, 5, 3\)"),
        (1.0, r"have shape \(\)"),
        ("level", "could not convert"),
        ([[0, 0, 0], [0, np.nan, 0]], r"observation_1 of observation 1 is nan"),
        ({"observation": [0, 0, 0]}, "Give an array of numbers"),
    ],
)
def test_what_is_no_observation_is_refused(checkpoint, given, message):
    with pytest.raises(ivr.UserError, match=message):
        ivr.load_policy(checkpoint, member=0).act(given)


@pytest.mark.parametrize("member", [3, -1, "seed0", True, 0.5, [0], float("nan")])
def test_a_member_that_is_not_there_is_refused(checkpoint, member):
    with pytest.raises(ivr.UserError, match=r"holds 0 \(seed0_alpha0.5\), 1 \(seed1"):
        ivr.load_policy(checkpoint, member=member)


def test_without_scores_no_member_is_the_best(checkpoint):
    policy = ivr.load_policy(checkpoint)
    with pytest.raises(ivr.UserError, match=r"3 members and no score of any: choose .* None takes"):
        policy.act(OBSERVATIONS[0])
    assert policy.act(OBSERVATIONS[0], member=0).shape == (1,)


@pytest.mark.parametrize(
    ("returns", "best"),
    [([1.0, 3.0, 2.0], 1), ([None, -3.0, -2.0], 2), ([float("nan")] * 3, None), ([], None)],
)
def test_the_best_has_the_highest_return(returns, best):
    records: list[Any] = [{"return_mean": value} for value in returns]
    whole = {"ivr": {"members": [[k, None] for k in range(3)]}}
    last = whole | {"callbacks": {"EvaluationCallback": {"last": records}}}
    assert best_member(last) == best and best_member(whole | {"scores": records}) == best


def test_the_best_has_the_highest_score_where_that_is_another():
    """Of dataset.metric=success: the policy that fails at once loses the least."""
    scores = [(0.0, -17.5), (66.7, -40.0), (None, -1.0), (float("nan"), 0.0)]
    for known, best in ((scores[:2], 1), (scores[1::2], 0), (scores[2:3] * 2, 0)):
        records = [{"normalized_score": score, "return_mean": mean} for score, mean in known]
        whole = {"ivr": {"members": [[k, None] for k in range(len(known))]}}
        assert best_member(whole | {"callbacks": {"EvaluationCallback": {"last": records}}}) == best


@pytest.mark.parametrize("wrong", [None, 3, ["last.ckpt"]])
def test_what_is_no_path_is_named(wrong):
    for given in (ivr.load_policy, ivr.rank):
        with pytest.raises(ivr.UserError, match=r"(path|policies|no checkpoint).*"):
            given(wrong)


def test_the_episodes_that_are_begun_are_counted(checkpoint):
    policy = ivr.load_policy(checkpoint, member=0)
    for wrong in (-1, 0, 1.5, "two", True):
        with pytest.raises(ivr.UserError, match=r"episodes=.*must be a whole number from 1"):
            policy.begin(wrong)
    with pytest.raises(ivr.UserError, match=r"shape \(3,\).* each of the 2 episodes"):
        policy.begin(2).restart([True, False, True])
    policy.begin(np.int64(2)).restart(True), policy.begin().restart(True)


def test_a_tensor_with_a_gradient_is_refused_in_words(checkpoint):
    with pytest.raises(ivr.UserError, match=r"observations: .*requires grad"):
        ivr.load_policy(checkpoint, member=0).act(torch.zeros(3, requires_grad=True))


def test_the_module_names_the_shape_that_it_takes(checkpoint):
    module = ivr.load_policy(checkpoint).algorithm
    for wrong in (torch.zeros(5, 3), torch.zeros(2, 5, 3)):
        with pytest.raises(ivr.UserError, match=r"takes \(R, N, O\), .* R = 3 members"):
            module.act(wrong)


def test_one_that_remembers_its_episode_is_played(tmp_path):
    small = {"algo__embedding": 16, "algo__layers": 1, "algo__context": 4}
    options = {key: value for key, value in SMALL.items() if key != "algo__hidden"} | small
    result = ivr.train(algo="dt", dataset=own(), seed=[0, 1], folder=tmp_path / "run", **options)
    policy = result.policy(member=1)
    with pytest.raises(ivr.UserError, match=r"remembers its episode.*policy.begin\(\)"):
        policy.act(OBSERVATIONS[0])

    play = policy.algorithm.begin(2)
    episodes = policy.begin(2)
    rewards = np.array([-1.0, -2.0], np.float32)
    for step, starts in enumerate(([1, 1], [0, 0], [0, 1])):
        rows = OBSERVATIONS[step : step + 2]
        if step == 2:
            episodes.restart([False, True])
        received = rewards * (1 - np.array(starts, np.float32))
        everyone = [torch.as_tensor(x).expand(2, *x.shape) for x in (rows, received)]
        expected = play(*everyone, torch.tensor(starts, dtype=torch.bool).expand(2, -1))
        found = episodes.act(rows, None if step == 0 else rewards)
        np.testing.assert_array_equal(found, expected[1].numpy())
    first = policy.begin().act(OBSERVATIONS[2])
    assert first.shape == (1,) and not np.array_equal(first, found[0])
    np.testing.assert_allclose(policy.begin().act(OBSERVATIONS[3]), found[1], rtol=1e-5)
    with pytest.raises(ivr.UserError, match="give the reward of the step before"):
        episodes.act(OBSERVATIONS[:2])
    with pytest.raises(ivr.UserError, match=r"of 3 episodes, and begin\(2\) plays 2"):
        episodes.act(OBSERVATIONS[:3], rewards)
    episodes.reset()
    assert episodes.act(OBSERVATIONS[:2]).shape == (2, 1)


def test_one_that_does_not_remember_is_played_by_the_same_loop(checkpoint):
    policy = ivr.load_policy(checkpoint, member=0)
    episode = policy.begin()
    for observation in OBSERVATIONS[:3]:
        np.testing.assert_array_equal(episode.act(observation), policy.act(observation))
