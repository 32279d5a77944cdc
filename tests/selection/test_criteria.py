"""What each criterion would have chosen, and how often the recommended bound holds."""

import dataclasses

import pytest

from ivr.selection.candidates import Candidate
from ivr.selection.criteria import judged, recommended_bounds_held
from ivr.selection.estimates import Estimate, preferred, recommend, warnings_of

PLAIN = Estimate(
    Candidate("a"), value=1.0, lower=0.9, upper=1.1, disagreement=0.1, outside=0.0, td_error=1.0,
    td_error_training=1.0, unsettled=0.0, clipped=0.0, cut=0.0, gain=0.1,
)  # fmt: skip


def estimate(name: str, **more: object) -> Estimate:
    return dataclasses.replace(PLAIN, candidate=Candidate(name), **more)  # type: ignore[arg-type]


def test_the_bound_of_the_recommended_fails_where_the_best_looking_one_is_bad():
    """Bounds 4, 3, 2, 1; the first is worth 0. It is in half of the halves, and then chosen."""
    found = [
        estimate(str(lower), lower=lower, truth=0.0 if lower == 4 else 9.0)
        for lower in (4.0, 3.0, 2.0, 1.0)
    ]
    assert recommended_bounds_held(found) == pytest.approx(0.5, abs=0.05)
    assert judged(found)[1] == 0.75
    assert recommended_bounds_held(found[:1]) is None and judged(found[:1]) == ({}, None)


def test_every_criterion_is_judged_where_the_policies_have_it():
    found = [estimate(str(k), value=float(k), truth=float(k), own_value=-float(k)) for k in (1, 2)]
    metrics, _ = judged(found)
    assert set(metrics) == {"FQE", "FQE lower bound", "own Q"}
    assert metrics["FQE"]["regret@1"].value == 0 and metrics["own Q"]["regret@1"].value == 1
    assert "absolute error" in metrics["own Q"]
    assert "absolute error" not in judged(found, shifted=True)[0]["own Q"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, None),
        ({"value": float("nan")}, "diverged"),
        ({"outside": 0.2}, "poor overlap: 20%"),
        ({"cut": 0.03}, "3% of its targets"),
        ({"unsettled": 0.5}, "not settled"),
        ({"td_error": 2.5}, "twice as large"),
    ],
)
def test_what_speaks_against_an_estimate_is_said(more, said):
    warnings = warnings_of(estimate("a", **more), spread=1.0)
    assert (not warnings) if said is None else said in " ".join(warnings)


def test_a_policy_without_warnings_is_preferred_and_what_was_passed_over_is_named():
    doubtful, sound = estimate("doubtful", lower=5.0, warnings=("x",)), estimate("sound")
    assert preferred([doubtful, sound]) is sound and preferred([doubtful]) is doubtful
    chosen = recommend([doubtful, sound], PLAIN, lambda one, best: True)
    assert chosen.name == "sound" and "doubtful first" in " ".join(chosen.trust)
    diverged = estimate("diverged", value=float("nan"))
    chosen = recommend([sound, diverged], PLAIN, lambda one, best: False)
    assert "may be as good" not in " ".join(chosen.trust)
    alone = recommend([doubtful], PLAIN, lambda one, best: True)
    assert alone.trust[0].startswith("Do not rely on it")
