"""The rule against Welch's test, and against simulated results whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ivr.paper.verdicts import FAILS, HOLDS, LEVEL, OPEN, Contrast, Sample, contrast, decide

EXPERIMENTS = 600


def test_two_settings_have_the_interval_of_welch() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(50, 2, 3), rng.normal(40, 9, 6)
    found = contrast([Sample(1, one), Sample(-1, other)])
    assert found is not None
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(1 - LEVEL)
    assert found.interval() == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_a_mean_over_datasets_adds_variances() -> None:
    # Deviations 1 and 3 over three seeds each, halved: (1/4) (1/3 + 9/3) = 10/12.
    found = contrast([Sample(0.5, np.array([9.0, 10, 11])), Sample(0.5, np.array([17.0, 20, 23]))])
    assert found is not None
    assert (found.value, found.deviation) == pytest.approx((15, math.sqrt(10 / 12)))
    # Shares 0.1 and 0.9 of the variance: 1 / (0.01/2 + 0.81/2).
    assert found.freedom == pytest.approx(1 / 0.41)


def test_two_seeds_decide_nothing() -> None:
    agreeing = np.array([100.0, 100.0])
    assert contrast([Sample(1, agreeing), Sample(-1, np.zeros(9))]) is None
    assert decide([None]) == decide([]) == OPEN


def test_seeds_without_any_spread_have_an_interval() -> None:
    found = contrast([Sample(1, np.full(3, 100.0)), Sample(-1, np.zeros(3))])
    assert found is not None and found.interval() == (100, 100)


SCORES = st.lists(
    st.lists(st.floats(-100, 100), min_size=3, max_size=6).map(np.array), min_size=1, max_size=4
)


@given(scores=SCORES, times=st.floats(0.1, 10), more=st.floats(-50, 50))
def test_the_unit_of_scores_decides_nothing(scores, times, more) -> None:
    """Another unit moves the interval with it, and so does the same more for all scores."""
    weights = [(-1.0) ** i / len(scores) for i in range(len(scores))]
    one = contrast([Sample(w, x) for w, x in zip(weights, scores, strict=True)])
    other = contrast([Sample(w, times * x + more) for w, x in zip(weights, scores, strict=True)])
    assert one is not None and other is not None
    shift = more * sum(weights)
    expected = [times * end + shift for end in one.interval()]
    assert other.interval() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    low, high = one.interval()
    assert low <= one.value <= high and one.interval(LEVEL / 8)[0] <= low


def sure(value: float, deviation: float = 1.0) -> Contrast:
    """A contrast of so many seeds that its interval reaches 1.96 deviations."""
    return Contrast(value, deviation, 1e9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3], HOLDS),
        ([1], OPEN),
        ([-3], FAILS),
        ([3, 3, 3], HOLDS),
        ([3, 3, 1], OPEN),
        # One of three at 1 - 0.05/3 reaches 2.39 deviations.
        ([3, 3, -2.3], OPEN),
        ([3, 3, -2.5], FAILS),
    ],
)
def test_all_must_hold_and_one_may_fail(values, expected) -> None:
    assert decide([sure(value) for value in values]) == expected


def test_what_is_not_known_refutes_nothing_and_a_known_one_does() -> None:
    assert decide([sure(9), None]) == OPEN
    assert decide([sure(-9), None]) == FAILS


@pytest.mark.parametrize(
    ("value", "expected"), [(50, HOLDS), (44, OPEN), (36, FAILS), (64, FAILS), (56, OPEN)]
)
def test_a_number_is_the_papers_inside_a_band(value, expected) -> None:
    assert decide([sure(value)], 45, 55) == expected


def draws(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Scores of mean 50, or of runs that learn the task with probability 0.7, or do not."""
    return rng.normal(50, 15, shape) if kind == "normal" else 100.0 * (rng.random(shape) < 0.7)


@pytest.mark.parametrize("kind", ["normal", "0 or 100"])
@pytest.mark.parametrize(("datasets", "seeds"), [(1, 3), (6, 3), (1, 5)])
def test_methods_that_are_equal_are_seldom_told_apart(kind, datasets, seeds) -> None:
    rng = np.random.default_rng(1)
    told = 0
    for _ in range(EXPERIMENTS):
        scores = draws(kind, rng, (2, datasets, seeds))
        samples = [Sample(sign / datasets, x) for sign, half in ((1, scores[0]), (-1, scores[1]))
                   for x in half]  # fmt: skip
        told += decide([contrast(samples)]) != OPEN
    # 5 % of 600 are 30, with a deviation of 5.3: beyond 48 by chance in one of 2,000 such tests.
    assert told <= 48


@pytest.mark.parametrize(("others", "wrong"), [((50,) * 8, FAILS), ((0,) * 7 + (50,), HOLDS)])
def test_eight_comparisons_are_no_wronger_than_one(others, wrong) -> None:
    """Where all are as good, none refutes by luck; where one is, seven worse do not outvote it."""
    rng = np.random.default_rng(2)
    seen = 0
    for _ in range(EXPERIMENTS // 2):
        ours = rng.normal(50, 15, 3)
        seen += wrong == decide([
            contrast([Sample(1, ours), Sample(-1, rng.normal(mean, 15, 3))]) for mean in others
        ])  # fmt: skip
    assert seen <= 0.05 * EXPERIMENTS // 2


def test_a_difference_that_is_there_is_found() -> None:
    rng = np.random.default_rng(3)
    found = [
        decide([contrast([Sample(1, rng.normal(80, 5, 5)), Sample(-1, rng.normal(60, 5, 5))])])
        for _ in range(100)
    ]
    assert found.count(HOLDS) >= 95 and FAILS not in found
