"""Policies chosen with few rollouts, against enumeration and cases whose answer is known."""

from itertools import combinations

import numpy as np
import pytest

from ivr.report.statistics.budget import Recorded, exhausted, expected_best, simulate


@pytest.mark.parametrize("tried", [1, 2, 3, 5])
def test_the_expected_best_is_the_mean_over_all_choices(tried):
    scores = np.array([3.0, 9.0, 1.0, 4.0, 4.0])
    best = [max(chosen) for chosen in combinations(scores, tried)]
    assert expected_best(scores, tried) == pytest.approx(np.mean(best))


def certain(*scores: float) -> list[np.ndarray]:
    """Policies whose episodes are all alike: one rollout tells all."""
    return [np.full(8, score) for score in scores]


def test_without_noise_as_many_rollouts_as_policies_find_the_best():
    found = simulate(Recorded(certain(10.0, 40.0, 20.0, 30.0)), 8, 400)
    assert found["each once"][0] == pytest.approx(25, abs=2)  # any of the four
    # Of two of the four: (40 x 3 + 30 x 2 + 20) / 6.
    assert found["each once"][2] == pytest.approx(200 / 6, abs=2)
    assert found["each once"][4] == found["each once"][8] == 40
    assert found["UCB"][4] == found["UCB"][8] == 40
    # Four policies take two rounds of four rollouts.
    assert found["halving"][8] == 40 and found["halving"][7] < 40


def test_a_true_ranking_needs_no_rollout_and_a_false_one_is_overcome():
    policies = certain(10.0, 40.0, 20.0, 30.0)
    right = simulate(Recorded(policies, np.array([1.0, 4.0, 2.0, 3.0])), 4, 400)
    assert (right["each once by rank"] == 40).all()
    wrong = simulate(Recorded(policies, np.array([4.0, 1.0, 3.0, 2.0])), 4, 400)
    # By estimate: 10, 20, 30, 40.
    assert wrong["each once by rank"].tolist() == [10, 10, 20, 30, 40]


def test_the_choice_is_scored_by_episodes_that_it_has_not_seen():
    """All policies are alike, so that the highest of noisy means is worth no more than any."""
    rng = np.random.default_rng(0)
    episodes = [rng.permutation(np.repeat([0.0, 100.0], 5)) for _ in range(12)]
    found = simulate(Recorded(episodes), 12, 400)
    # What one half had more than 50 the other has less: the choice looks worse than it is, a little
    # (50 - 50 / 9 at most), and never better.
    assert (found["each once"][1:] < 51).all() and (found["each once"] > 40).all()
    assert exhausted(Recorded(episodes), 400) < 50


def test_more_rollouts_choose_better_policies():
    rng = np.random.default_rng(1)
    chances = np.linspace(0, 1, 16)
    episodes = [100.0 * (rng.random(40) < chance) for chance in chances]
    found = simulate(Recorded(episodes), 16, 400)
    assert found["each once"][0] < found["each once"][4] < found["each once"][16]
    assert found["halving"][16] > found["each once"][16]  # it spends them on the better ones
    found = simulate(Recorded(episodes), 32, 60)
    assert (found["UCB"][:17] == found["each once"][:17]).all()  # every one once
    assert found["UCB"][32] > found["each once"][32]
    assert exhausted(Recorded(episodes), 400) > 90
