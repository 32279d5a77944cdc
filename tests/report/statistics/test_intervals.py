"""Means over runs and their intervals, against arithmetic, enumeration and known distributions."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.report.statistics.aggregate import profile
from ivr.report.statistics.intervals import (
    bootstrap,
    iqm,
    iqm_of_strata,
    mean_of_strata,
    probability_of_improvement,
)

scores = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=9)


def test_the_interquartile_mean_by_hand():
    """1 to 8 without 1, 2, 7, 8: (3 + 4 + 5 + 6) / 4; of five values one goes at each end."""
    assert iqm(np.array([8, 1, 7, 2, 6, 3, 5, 4.0])) == 4.5
    assert iqm(np.array([0, 1, 2, 6, 100.0])) == 3
    assert iqm(np.array([1, 2, 6.0])) == 3  # of three nothing is cut off


@settings(max_examples=40)
@given(st.lists(scores, min_size=1, max_size=4))
def test_the_interquartile_mean_is_that_of_all_runs_of_all_datasets(strata):
    everything = sorted(value for stratum in strata for value in stratum)
    cut = len(everything) // 4
    kept = everything[cut : len(everything) - cut]
    assert iqm_of_strata(*map(np.array, strata)) == pytest.approx(sum(kept) / len(kept))


@settings(max_examples=40)
@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=3))
def test_the_probability_of_improvement_counts_pairs(pairs):
    each = []
    for x, y in pairs:
        wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in x for b in y)
        each.append(wins / (len(x) * len(y)))
    strata = [np.array(x) for x, _ in pairs] + [np.array(y) for _, y in pairs]
    found = probability_of_improvement(*strata, axis=0)
    assert found == pytest.approx(sum(each) / len(each))
    half = len(pairs)
    other = probability_of_improvement(*strata[half:], *strata[:half], axis=0)
    assert found + other == pytest.approx(1)


def test_intervals_are_the_percentiles_of_all_draws():
    """Two datasets of three runs: 27 x 27 draws, each as likely as another."""
    strata = [np.array([10.0, 20.0, 60.0]), np.array([0.0, 5.0, 40.0])]
    draws = [np.array(list(product(runs, repeat=3))) for runs in strata]
    means = (draws[0].mean(1)[:, None] + draws[1].mean(1)[None, :]).ravel() / 2
    found = bootstrap(strata, mean_of_strata, resamples=20_000)
    assert found == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=1.0)


def test_the_interval_is_the_same_every_time_and_none_of_one_run():
    strata = [np.arange(5.0), np.array([1.0, 7.0])]
    assert bootstrap(strata, iqm_of_strata) == bootstrap(strata, iqm_of_strata)
    assert bootstrap([*strata, np.array([3.0])], iqm_of_strata) is None


@pytest.mark.parametrize("draw", ["normal", "exponential"])
@pytest.mark.parametrize("statistic", [mean_of_strata, iqm_of_strata])
def test_intervals_hold_the_truth_about_as_often_as_they_say(draw, statistic):
    """Of 100 experiments of 3 datasets x 10 runs; percentile intervals are a little narrow."""
    rng = np.random.default_rng(0)
    many = getattr(rng, draw)(size=(3, 200_000))
    truth = float(statistic(*many))
    held = 0
    for _ in range(100):
        found = bootstrap(list(getattr(rng, draw)(size=(3, 10))), statistic, resamples=200)
        assert found is not None
        held += found[0] <= truth <= found[1]
    assert 0.86 <= held / 100 <= 0.99


def test_a_profile_is_the_share_of_runs_above():
    strata = [np.array([0.0, 50.0]), np.array([50.0, 100.0])]
    share, low, high = profile(strata, np.array([-1.0, 0.0, 50.0, 100.0]))
    assert share.tolist() == [1, 0.75, 0.25, 0]
    assert (low <= share).all() and (share <= high).all() and low[1] == 0.5 and high[1] == 1
