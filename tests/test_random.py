"""Stateless random numbers: a published vector, independence of position, and uniformity."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr import random


def test_the_mixer_is_splitmix64():
    """The first outputs of SplitMix64 with seed 1234567, as published with its reference code."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    states = 1234567 + torch.arange(1, 4) * random._GAMMA
    drawn = [int(x) & (2**64 - 1) for x in random._mix(states)]
    assert drawn == expected


@given(st.integers(0, 2**62), st.integers(0, 10**7), st.integers(1, 2**40))
def test_a_draw_depends_on_key_and_update_alone(seed, update, high):
    keys = torch.tensor([random.key(s, "batches") for s in (5, seed)])
    together = random.integers(keys, torch.tensor([update - 1, update]), 7, high)
    alone = random.integers(keys[1:], torch.tensor([update]), 7, high)
    assert torch.equal(together[1, 1], alone[0, 0])
    assert alone.min() >= 0 and alone.max() < high


def test_draws_are_uniform_and_streams_differ():
    keys = torch.tensor([random.key(s, "batches") for s in range(4)])
    drawn = random.integers(keys, torch.arange(500), 256, 10)
    for k in range(4):
        counts = np.bincount(drawn[:, k].flatten(), minlength=10)
        expected = drawn[:, k].numel() / 10
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < 33.7  # the 0.9999 quantile with 9 degrees of freedom
    assert (drawn[:, 0] == drawn[:, 1]).float().mean() < 0.12
    assert (drawn[1:] == drawn[:-1]).float().mean() < 0.12


def test_uniform_floats_lie_in_the_unit_interval_with_the_right_moments():
    values = random.uniform(torch.tensor([random.key(0, "dropout")]), torch.arange(200), 1000)
    assert values.min() >= 0 and values.max() < 1
    assert abs(values.mean() - 1 / 2) < 3e-3
    assert abs(values.var() - 1 / 12) < 2e-3


def test_purposes_and_seeds_give_different_keys():
    keys = {random.key(seed, purpose) for seed in range(100) for purpose in ("a", "b", "a:1")}
    assert len(keys) == 300


@pytest.mark.slow
def test_draws_compile_in_any_shape():
    """Over two axes of indices, the compiler once multiplied constants out of their 64 bits."""

    def joined(x):
        drawn = random.uniform(keys, torch.zeros(1, dtype=torch.int64), 6 * 4)[0]
        return torch.cat((x, drawn.view(2, 6, 4)), -1)

    keys = torch.tensor([random.key(seed, "proposals") for seed in range(2)])
    x = torch.zeros(2, 6, 4)
    torch.testing.assert_close(torch.compile(joined)(x), joined(x))
