"""The loss of V by hand, by its minimiser, and by its released variant."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.losses.divergences import q_logarithm
from ivr.losses.value import implicit_value_loss


def test_sparse_loss_by_hand():
    """α = 2, Q = (1, -9), V = 0: z = (0.5, -4.5); [1 + z/2]₊² = (1.25², 0); V/α = 0."""
    q, v = torch.tensor([[1.0, -9.0]]), torch.zeros(1, 2)
    loss = implicit_value_loss(q, v, 2.0, q_logarithm(1))
    assert loss.tolist() == [pytest.approx(1.5625 / 2)]


def test_exponential_loss_by_hand():
    """α = 0.5, Q - V = (0.5, 0) so e^z = (e, 1), V = (0.5, 1) so V/α = (1, 2)."""
    q, v = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.5, 1.0]])
    loss = implicit_value_loss(q, v, 0.5, q_logarithm(0))
    assert loss.tolist() == [pytest.approx((math.e + 1 + 1 + 2) / 2)]


@given(
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.floats(0.05, 20),
    st.lists(st.floats(-5, 5), min_size=2, max_size=6),
)
def test_mean_weight_is_one_at_the_minimum(order, alpha, values):
    """Bisection on the slope: the root of dL/dV is where E[w] = 1 (V is the same for all a)."""
    divergence = q_logarithm(order)
    q = torch.tensor([values], dtype=torch.float64)

    def slope(level: float) -> float:
        v = torch.tensor(level, dtype=torch.float64, requires_grad=True)
        loss = implicit_value_loss(q, v.expand(q.shape), alpha, divergence)
        return torch.autograd.grad(loss.sum(), v)[0].item()

    low, high = min(values) - 1e-6, max(values) + 1e-6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    weights = divergence.weight((q - low) / alpha)
    assert weights.mean().item() == pytest.approx(1, abs=1e-4)


def test_alpha_may_differ_between_members_and_members_do_not_mix():
    generator = torch.Generator().manual_seed(0)
    q, v = torch.randn(2, 3, 16, generator=generator)
    alpha = torch.tensor([[0.1], [1.0], [10.0]])
    together = implicit_value_loss(q, v, alpha, q_logarithm(1))
    assert together.shape == (3,)
    for k in range(3):
        alone = implicit_value_loss(q[k : k + 1], v[k : k + 1], alpha[k].item(), q_logarithm(1))
        assert together[k].item() == pytest.approx(alone.item(), rel=1e-6)


def released_exponential_loss(q, v, alpha):
    """The released EQL, written out from its description in the paper's appendix."""
    z = torch.minimum((q - v) / alpha, torch.tensor(5.0))
    top = torch.maximum(z.max(-1, keepdim=True).values, torch.tensor(-1.0)).detach()
    return (torch.exp(z - top) + torch.exp(-top) * v / alpha).mean(-1)


@pytest.mark.parametrize("spread", [0.1, 3.0, 30.0])
def test_the_released_exponential_loss_and_its_gradient(spread):
    generator = torch.Generator().manual_seed(1)
    q = torch.randn(2, 64, generator=generator) * spread
    v = (torch.randn(2, 64, generator=generator) * spread).requires_grad_()
    options = {"exponent_clip": 5.0, "batch_max_floor": -1.0}
    ours = implicit_value_loss(q, v, 0.7, q_logarithm(0), **options)
    theirs = released_exponential_loss(q, v, 0.7)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours.sum(), v)[0], torch.autograd.grad(theirs.sum(), v)[0]
    )


def test_a_clipped_exponent_still_pushes_v_down():
    """Above the clip Φ is flat in V, and only V/α is left: dL/dV = 1/α > 0."""
    v = torch.zeros(1, 1, requires_grad=True)
    loss = implicit_value_loss(torch.tensor([[9.0]]), v, 0.5, q_logarithm(0), exponent_clip=5.0)
    assert torch.autograd.grad(loss.sum(), v)[0].item() == pytest.approx(2.0)
