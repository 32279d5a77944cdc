"""Scores in a few words."""

import pytest

from ivr.training.scoring.scores import describe

SUCCESS = {"success_rate": 0.5, "success_low": 0.25, "success_high": 0.75}
NONE = {"normalized_score": None, "success_rate": None, "return_mean": -3.0}


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ({}, "return -3.0"),
        ({"normalized_score": 49.0}, "score 49.0"),
        ({**SUCCESS, "normalized_score": 50.0}, "success 0.50 [0.25, 0.75]"),
        ({**SUCCESS, "normalized_score": 49.0}, "score 49.0, success 0.50 [0.25, 0.75]"),
        ({**SUCCESS, "return_mean": float("nan")}, "return nan, success 0.50 [0.25, 0.75]"),
        ({"success_rate": 0.5}, "return -3.0, success 0.50"),
    ],
)
def test_the_score_comes_first_and_what_else_was_seen_beside_it(score, said):
    assert describe({**NONE, **score}) == said
