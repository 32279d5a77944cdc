"""Damaged data give one message or numbers that can be trained on: no other error, no hang."""

import time

import pytest

from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.fuzzing import (
    FORMATS,
    SECONDS,
    attempt,
    attempts,
    npz_that_claims,
    whole,
)


@pytest.mark.parametrize("name", FORMATS)
def test_data_that_are_not_damaged_are_taken(name):
    assert whole(name)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", FORMATS)
def test_a_few_damages(name):
    for seed in range(12):
        begin = time.monotonic()
        outcome = attempt(name, seed)
        assert not outcome.wrong, outcome
        assert time.monotonic() - begin < SECONDS, outcome


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_thousand_damages():
    """In processes of their own: HDF5 reads what is damaged in C, where no exception is."""
    each = -(-3000 // len(FORMATS))
    found = [one for name in FORMATS for one in attempts(name, range(each)) if one.wrong]
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    "shape",
    [
        "((",
        "(21L, ",
        "(9999999999999, 2)",
        "(-1, 2)",
        "(2, 99999999999)",
        "(21, 2, 2**9)",
        "(0, 2)",
    ],
)
def test_an_array_that_claims_another_shape(tmp_path, shape):
    path = npz_that_claims(tmp_path, shape)
    with pytest.raises(UserError, match="observations"):
        load_dataset(name="x", source="arrays", path=path, view="flat", cache=tmp_path)
