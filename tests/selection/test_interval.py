"""The interval over critics and initial states, by hand."""

import math

import pytest
import torch

from ivr.selection.interval import interval


def test_the_interval_by_hand():
    """Heads at 1 and 3 of 4 states: the mean is 2, the deviation sqrt(2), and no state differs.

    t_1 = 6.314, times sqrt((1 + 1/2) 2) = 1.732.
    """
    found = interval(torch.tensor([[[1.0] * 4, [3.0] * 4]]))
    assert found.estimate.item() == 2
    assert found.disagreement.item() == pytest.approx(math.sqrt(2))
    assert found.upper.item() - 2 == pytest.approx(6.314 * math.sqrt(3), rel=1e-3)
    assert found.lower.item() == pytest.approx(4 - found.upper.item())


def test_the_initial_states_are_a_sample_too():
    """Two heads that agree on states worth 0 and 2: the variance of a mean of two is 1/2."""
    found = interval(torch.tensor([[[0.0, 2.0], [0.0, 2.0]]]))
    assert found.upper.item() - 1 == pytest.approx(6.314 * math.sqrt(0.5), rel=1e-3)


def test_it_is_cut_to_what_can_be_attained_and_a_critic_that_diverged_has_none():
    values = torch.tensor([[[1.0], [3.0]], [[1.0], [math.nan]]])
    found = interval(values, limits=(0.5, 4.0))
    assert found.lower[0] == 0.5 and found.upper[0] == 4
    assert found.estimate[1].isnan() and found.lower[1].isnan()
