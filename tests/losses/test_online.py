"""Evaluation with a bootstrap, one-sided alignment and the matched critics, by hand."""

import math

import pytest
import torch

from ivr.losses.critic import td_loss
from ivr.losses.evaluation import attainable_range, bootstrapped_td_loss
from ivr.losses.online import (
    alignment_loss,
    analytic_critic,
    anchor_loss,
    matched_critic,
)


def test_each_critic_is_held_against_its_own_target_with_its_own_weights():
    """Errors (1, -3) and (2, 0), weights (2, 0) and (1, 1): (2 + 0)/2 + (4 + 0)/2 = 3.

    Without weights (1 + 9)/2 + (4 + 0)/2 = 7; the second member has no error.
    """
    q = torch.tensor([[[1.0, 3.0], [2.0, 0.0]], [[5.0, 5.0], [6.0, 6.0]]])
    target = torch.tensor([[[0.0, 6.0], [0.0, 0.0]], [[5.0, 5.0], [6.0, 6.0]]])
    weights = torch.tensor([[2.0, 1.0], [0.0, 1.0]]).expand(2, 2, 2)  # of transitions 0 and 1
    assert bootstrapped_td_loss(q, target, weights).tolist() == [3.0, 0.0]
    assert bootstrapped_td_loss(q, target, None).tolist() == [7.0, 0.0]


def test_with_one_target_for_all_it_is_the_td_loss():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(3, 4, 7, generator=generator, dtype=torch.float64)
    target = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    shared = target[:, None].expand_as(q)
    for weights in (None, torch.ones(3, 7, 4, dtype=torch.float64)):
        loss = bootstrapped_td_loss(q, shared, weights)
        torch.testing.assert_close(loss, td_loss(q, target), rtol=1e-14, atol=0)


def test_a_minimum_of_targets_is_refused():
    with pytest.raises(AssertionError, match="differ"):
        bootstrapped_td_loss(torch.zeros(1, 2, 3), torch.zeros(1, 3), None)


@pytest.mark.parametrize(
    ("reward_min", "reward_max", "expected"),
    [
        (-1.0, 2.0, (-10.0, 20.0)),
        (0.0, 1.0, (0.0, 10.0)),
        (-1.0, 0.0, (-10.0, 0.0)),
        (1.0, 2.0, (1.0, 20.0)),  # an episode that ends at once returns 1
        (-2.0, -1.0, (-20.0, -1.0)),
    ],
)
def test_the_attainable_range_by_hand(reward_min, reward_max, expected):
    """Rewards times 1/(1 - 0.9) = 10, or as they are where that is further out."""
    assert attainable_range(reward_min, reward_max, 0.9) == pytest.approx(expected)
    assert attainable_range(reward_min, reward_max, 0.0) == (reward_min, reward_max)
    assert attainable_range(reward_min, reward_max, 1.0) == (
        -math.inf if reward_min < 0 else reward_min,
        math.inf if reward_max > 0 else reward_max,
    )


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_returns_of_every_length_are_attainable(discount):
    generator = torch.Generator().manual_seed(0)
    for low, high in ((-3.0, -1.0), (-1.0, 2.0), (0.5, 4.0)):
        bottom, top = attainable_range(low, high, discount)
        rewards = low + (high - low) * torch.rand(50, 300, generator=generator).double()
        rewards[0], rewards[1] = low, high
        returns = (rewards * discount ** torch.arange(300)).cumsum(-1)
        assert bottom - 1e-9 <= returns.min() and returns.max() <= top + 1e-9
        # No narrower interval would do: its ends are reached, or come near in 300 steps.
        assert returns.min() - bottom < 0.1 * (1 + abs(bottom))
        assert top - returns.max() < 0.1 * (1 + abs(top))


def aligned(dtype=torch.float32):
    """One state, two critics, proposals of log-density 1 and 4 below the mode's."""
    q_mode = torch.tensor([[[2.0], [0.0]]], dtype=dtype)
    proposed = torch.tensor([[[[3.0], [0.0]], [[-1.0], [-1.0]]]], dtype=dtype)
    excess = torch.tensor([[[-1.0], [-4.0]]], dtype=dtype)
    return proposed, q_mode, excess


def test_alignment_by_hand():
    """Allowed at 1/2: (2, 0) - (1/2, 2), so 3 - 1.5 and 0 - 0 too much; -1 + 0.5 none, -1 + 2.

    (1.5^2 + 0 + 0 + 1^2)/2 proposals = 1.625. At 2: allowed (0, -6) and (-2, -8), so 3, 6, 1 and 7
    too much: (9 + 36 + 1 + 49)/2 = 47.5.
    """
    proposed, q_mode, excess = aligned()
    assert alignment_loss(proposed, q_mode, excess, 0.5).tolist() == [1.625]
    assert alignment_loss(proposed, q_mode, excess, 2.0).tolist() == [47.5]
    pair = [tensor.expand(2, *tensor.shape[1:]) for tensor in (proposed, q_mode, excess)]
    assert alignment_loss(*pair, torch.tensor([[0.5], [2.0]])).tolist() == [1.625, 47.5]


def test_alignment_is_a_mean_over_states():
    """A second state at which nothing is too much halves it."""
    proposed, q_mode, excess = aligned()
    wider = [torch.cat((tensor, 0 * tensor), -1) for tensor in (proposed, q_mode, excess)]
    wider[0][..., 1] = -100
    assert alignment_loss(*wider, 0.5).tolist() == [1.625 / 2]


def test_alignment_only_lowers_and_leaves_the_mode_alone():
    """The slope at a proposal is 2 times what is too much, over 2 proposals; of the mode's none."""
    proposed, q_mode, excess = (tensor.requires_grad_() for tensor in aligned(torch.float64))
    loss = alignment_loss(proposed, q_mode, excess.detach(), 0.5)
    lowered, mode = torch.autograd.grad(loss.sum(), (proposed, q_mode), allow_unused=True)
    assert lowered.flatten().tolist() == [1.5, 0.0, 0.0, 1.0]
    assert mode is None
    generator = torch.Generator().manual_seed(0)
    many = torch.randn(2, 3, 50, 20, generator=generator, requires_grad=True)
    below = -torch.rand(2, 50, 20, generator=generator)
    loss = alignment_loss(many, torch.zeros(2, 3, 20), below, torch.tensor([[0.1], [3.0]]))
    (slope,) = torch.autograd.grad(loss.sum(), many)
    assert (slope >= 0).all() and (slope > 0).any() and (slope == 0).any()


def test_a_matched_critic_is_aligned_and_one_with_a_higher_tail_is_not():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 9, 6, generator=generator, dtype=torch.float64)
    log_policy = logits.log_softmax(1)  # nine actions in each of six states
    q = matched_critic(torch.arange(6.0), log_policy, 0.7)[:, None]
    mode, excess = q.amax(2), log_policy - log_policy.amax(1, keepdim=True)
    assert alignment_loss(q, mode, excess, 0.7).item() < 1e-28
    assert alignment_loss(q - 0.2 * (excess < 0), mode, excess, 0.7).item() < 1e-28
    raised = q + 0.2 * (excess < 0)  # 8 of 9 actions, each by 0.2
    expected = pytest.approx(8 / 9 * 0.04)
    assert alignment_loss(raised, mode, excess, 0.7).item() == expected


def test_the_anchor_by_hand():
    """Errors (1, 3) and (0, 2): (1 + 9)/2 + (0 + 4)/2 = 7; the evaluation has no gradient."""
    q_mode = torch.tensor([[[1.0, 3.0], [4.0, 2.0]]], requires_grad=True)
    evaluated = torch.tensor([[[0.0, 0.0], [4.0, 0.0]]], requires_grad=True)
    loss = anchor_loss(q_mode, evaluated)
    assert loss.tolist() == [7.0]
    slope, other = torch.autograd.grad(loss.sum(), (q_mode, evaluated), allow_unused=True)
    assert slope.flatten().tolist() == [1.0, 3.0, 0.0, 2.0]
    assert other is None


def test_the_critics_of_a_policy_by_hand():
    """V = 1 and pi_0 = (1/4, 3/4): 1 + 2 log(1/4); Q = (1, -1) and mu = (1/2, 1/2)."""
    policy = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    value = torch.ones(1, 1, dtype=torch.float64)
    expected = [1 + 2 * math.log(0.25), 1 + 2 * math.log(0.75)]
    q = matched_critic(value, policy.log(), 2.0)
    assert q.flatten().tolist() == pytest.approx(expected)
    torch.testing.assert_close((q / 2).softmax(-1), policy)
    assert (2 * (q / 2).logsumexp(-1)).item() == pytest.approx(1)  # its soft value is V
    temperature = torch.tensor([[1.0], [3.0]])
    q = analytic_critic(torch.tensor([[1.0, -1.0]]), torch.full((2, 2), math.log(0.5)), temperature)
    low, high = math.log(0.5), 3 * math.log(0.5)
    assert q.flatten().tolist() == pytest.approx([1 + low, -1 + low, 1 + high, -1 + high])


def test_a_policy_that_rules_an_action_out_has_a_matched_critic_without_nan():
    q = matched_critic(torch.ones(1, 1), torch.tensor([[0.0, 1.0]]).log(), 0.5)
    assert q.tolist() == [[-math.inf, 1.0]]
    assert (q / 0.5).softmax(-1).tolist() == [[0.0, 1.0]]
