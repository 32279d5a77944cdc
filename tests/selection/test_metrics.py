"""DOPE's metrics, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.selection.metrics import covered, metrics, ranks, regret, spearman

TRUTH = np.array([0.0, 1.0, 4.0, 10.0])


def test_regret_is_what_the_best_of_the_first_k_falls_short_of():
    """The order of the estimates is 1, 2, 3, 0: truths 1, 4, 10, 0 of a range of 10."""
    estimates = np.array([0.0, 9.0, 8.0, 7.0])
    assert [regret(estimates, TRUTH, k) for k in (1, 2, 3, 5)] == [0.9, 0.6, 0.0, 0.0]


def test_equal_estimates_are_in_random_order():
    """One of truths 0 and 10 at random: 5 on average; two of 0, 1, 10 have the best in 2 of 3."""
    assert regret(np.array([5.0, 1.0, 1.0, 5.0]), TRUTH, 1) == 0.5
    truth = np.array([0.0, 1.0, 10.0])
    assert regret(np.ones(3), truth, 2) == pytest.approx((10 - (10 * 2 + 1) / 3) / 10)


def test_a_policy_without_an_estimate_comes_last():
    estimates = np.array([0.0, np.nan, 1.0, np.nan])
    assert regret(estimates, TRUTH, 2) == 0.6
    assert spearman(estimates, TRUTH) == pytest.approx(1)


def test_spearman_by_hand():
    """Ranks 0, 1, 2, 3 against 1, 0, 2, 3: 1 - 6 (1 + 1)/(4 * 15)."""
    assert spearman(np.array([1.0, 0.0, 2.0, 3.0]), TRUTH) == pytest.approx(0.8)
    assert np.isnan(spearman(np.ones(4), TRUTH))
    assert ranks(np.array([3.0, 1.0, 3.0, 7.0])).tolist() == [1.5, 0, 1.5, 3]


@given(st.lists(st.integers(-10, 10), min_size=3, max_size=8, unique=True))
def test_the_truth_itself_has_no_regret_and_its_opposite_all_of_it(values):
    truth = np.array(values, np.float64)
    assert regret(truth, truth, 1) == 0 and regret(-truth, truth, 1) == 1
    assert spearman(truth**3, truth) == pytest.approx(1)


def test_every_metric_has_an_interval_around_it():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=24)
    found = metrics(truth + rng.normal(size=24), truth)
    assert set(found) == {"spearman", "regret@1", "regret@3", "regret@5", "absolute error"}
    for metric in found.values():
        assert metric.lower <= metric.value <= metric.upper
    assert "absolute error" not in metrics(truth, truth, same_units=False)


def test_bounds_hold_where_the_truth_is_not_below_them():
    assert covered([0.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.5, 9.0]) == 0.75
