"""The family against its definition: Φ' = w, w is the inverse of h', and the two ends."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.losses.divergences import q_logarithm

ORDERS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0])
ADVANTAGES = st.floats(-8, 8)


def scalar(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


@given(ORDERS, ADVANTAGES)
def test_weight_is_the_derivative_of_the_potential(order, z):
    divergence = q_logarithm(order)
    at = scalar(z)
    (slope,) = torch.autograd.grad(divergence.potential(at), at)
    assert slope.item() == pytest.approx(divergence.weight(at).item(), rel=1e-9, abs=1e-12)


@given(ORDERS, ADVANTAGES)
def test_weight_solves_the_optimality_condition_or_is_zero(order, z):
    """h'(w) = (Q - U)/α = z + 1 with h(x) = x f(x), wherever the weight is positive."""
    divergence = q_logarithm(order)
    weight = divergence.weight(scalar(z)).detach()
    if weight > 1e-6:
        x = weight.requires_grad_()
        (slope,) = torch.autograd.grad(x * divergence.f(x), x)
        assert slope.item() == pytest.approx(z + 1, rel=1e-6, abs=1e-6)
    else:
        # w^q = 1 + q z / (1 + q), or w = exp(z) at order 0, is 1e-6 at this z.
        edge = math.log(1e-6) if order == 0 else (1 + order) / order * (1e-6**order - 1)
        assert z <= edge + 1e-6


@given(st.sampled_from([0.25, 0.5, 1.0, 2.0]), st.floats(0, 50))
def test_weight_is_exactly_zero_below_the_kink(order, below):
    z = scalar(-(1 + order) / order - below - 1e-9)
    assert q_logarithm(order).weight(z).item() == 0
    (slope,) = torch.autograd.grad(q_logarithm(order).potential(z), z)
    assert slope.item() == 0


@given(ADVANTAGES)
def test_the_ends_are_the_published_algorithms(z):
    at = scalar(z)
    sparse, exponential = q_logarithm(1), q_logarithm(0)
    assert sparse.weight(at).item() == pytest.approx(max(1 + z / 2, 0))
    assert sparse.potential(at).item() == pytest.approx(max(1 + z / 2, 0) ** 2)
    assert exponential.weight(at).item() == pytest.approx(math.exp(z))
    assert exponential.potential(at).item() == pytest.approx(math.exp(z))


@given(st.floats(-3, 3))
def test_small_orders_approach_the_exponential(z):
    assert q_logarithm(1e-3).weight(scalar(z)).item() == pytest.approx(math.exp(z), rel=2e-2)


@given(ORDERS)
def test_f_vanishes_at_one_and_its_slope_there_is_one(order):
    x = scalar(1.0)
    value = q_logarithm(order).f(x)
    (slope,) = torch.autograd.grad(value, x)
    assert value.item() == 0
    assert slope.item() == pytest.approx(1)


@pytest.mark.parametrize("order", [-0.1, math.nan, math.inf])
def test_an_order_outside_the_family_is_refused(order):
    with pytest.raises(ValueError, match="order"):
        q_logarithm(order)


@given(ORDERS, ADVANTAGES, st.floats(0.01, 5))
def test_weights_are_never_negative_and_rise_with_the_advantage(order, z, step):
    divergence = q_logarithm(order)
    lower, higher = (divergence.weight(scalar(x)).item() for x in (z, z + step))
    assert 0 <= lower <= higher
    assert lower < higher or higher == 0


@given(ORDERS, st.floats(1e-3, 1e3))
def test_advantage_inverts_the_weight(order, ratio):
    divergence = q_logarithm(order)
    assert divergence.weight(scalar(divergence.advantage(ratio))).item() == pytest.approx(ratio)


@given(ORDERS, st.floats(1e-3, 1e3))
def test_the_penalty_is_w_squared_times_the_slope_of_f(order, ratio):
    divergence = q_logarithm(order)
    w = scalar(ratio)
    (slope,) = torch.autograd.grad(divergence.f(w), w)
    assert divergence.penalty(w).item() == pytest.approx((w**2 * slope).item(), rel=1e-6)


@pytest.mark.parametrize("order", [1e-8, 1e-3, 0.05, 0.1, 0.5, 1.0, 1.5, 2.0, 5.0])
def test_single_precision_is_as_good_at_tiny_orders_as_at_large_ones(order):
    """[1 + x]^(1/q) in float32 loses 6e-8/q of itself where 1 + x is rounded first."""
    z = torch.linspace(-1.1, 20, 400)
    divergence = q_logarithm(order)
    for function in (divergence.weight, divergence.potential):
        torch.testing.assert_close(function(z).double(), function(z.double()), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("order", [1e-3, 0.25, 1.0, 1.5, 2.0, 5.0])
@pytest.mark.parametrize("name", ["weight", "potential"])
def test_no_gradient_is_nan_at_or_below_the_kink(order, name):
    """[.]^(1/q) has an endless slope at 0 for q > 1, which times 0 would be NaN."""
    kink = -(1 + order) / order
    z = torch.tensor([-1e30, 10 * kink, kink, kink * (1 + 1e-6)], requires_grad=True)
    (slope,) = torch.autograd.grad(getattr(q_logarithm(order), name)(z).sum(), z)
    assert (slope == 0).all()


def test_what_is_not_a_number_is_not_hidden():
    for order in (0.0, 0.5, 1.0):
        assert q_logarithm(order).weight(torch.tensor(math.nan)).isnan()
