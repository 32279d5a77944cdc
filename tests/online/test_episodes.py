"""Safety, measured on training episodes, by hand."""

import math

import numpy as np
import pytest

from ivr.online.episodes import WINDOW, Episode, baseline, safety, window_means


def episode(steps: int, total: float, fell: bool = False) -> Episode:
    return Episode(steps, 10, total, total, math.nan, fell)


# J_0 from four episodes of the first 40 steps: mean 6, standard deviation 2 (of n - 1), SE 1.
WARMUP = [episode(10, 4), episode(20, 5), episode(30, 7), episode(40, 8)]


def later(totals: list[float], fell: bool = False) -> list[Episode]:
    return [episode(50 + 10 * i, total, fell) for i, total in enumerate(totals)]


def test_the_baseline_is_that_of_the_warm_up():
    found = baseline(WARMUP + later([100.0]), 40)
    assert found is not None
    assert (found.mean, found.episodes) == (6, 4)
    assert found.sem == pytest.approx(math.sqrt(10 / 3) / 2)  # squares 4 + 1 + 1 + 4 over n - 1
    assert found.decile == pytest.approx(4.3)  # 0.3 of the way from 4 to 5
    assert baseline(WARMUP[:1], 40) is None


def test_regret_counts_what_is_lacking_and_no_surplus():
    measured = safety(WARMUP + later([6.0, 4.0, 100.0, 2.0]), 40, 10.0, 80)
    assert measured["regret"] == pytest.approx((0 + 2 + 0 + 4) / 4 / 10)
    assert measured["share_below_decile"] == pytest.approx(2 / 4)  # 4 and 2 lie below 4.3
    assert measured["worst_dip"] is None  # there are no ten episodes
    assert measured["steps_to_pass"] is None


def test_the_worst_dip_and_when_it_is_over():
    totals = [6.0] * 10 + [1.0] * 10 + [8.0] * 20
    measured = safety(WARMUP + later(totals), 40, 10.0, 440)
    assert measured["worst_dip"] == pytest.approx(0.5)
    # With n episodes of 8 among the last ten the mean is 1 + 0.7 n, which first passes 6 at n = 8.
    assert measured["steps_to_pass"] == 50 + 10 * (20 + 8 - 1)


def test_falls_are_counted_online_and_by_steps():
    measured = safety([*WARMUP, *later([1.0] * 5, fell=True)], 40, 1.0, 290)
    assert measured["falls_per_1000_steps"] == pytest.approx(1000 * 5 / 250)


def test_without_a_baseline_nothing_is_claimed():
    measured = safety(later([1.0] * 20), 40, 1.0, 250)
    assert measured["baseline_return"] is None
    assert measured["regret"] is measured["worst_dip"] is measured["steps_to_pass"] is None


def test_window_means_are_those_of_a_plain_loop():
    values = np.random.default_rng(0).normal(size=25)
    expected = [values[i : i + WINDOW].mean() for i in range(25 - WINDOW + 1)]
    np.testing.assert_allclose(window_means(values), expected, rtol=1e-12)
