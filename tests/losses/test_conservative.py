"""The conservative gap and its relatives by hand, by integration, and at the end of a bandit."""

import math

import pytest
import torch

from ivr.losses.actor import regularised_deterministic_loss
from ivr.losses.conservative import action_gap, calibrated, conservative_loss, multiplier_loss
from ivr.losses.soft import soft_policy_loss, temperature_loss
from ivr.nets.actors import squash


def test_the_gap_by_hand():
    """Q of proposals log 2 and log 6 with densities 1/2 and 2: log(2/0.5 + 6/2) - 1 = log 7 - 1.

    In the second state log(1 + 1) - 3; of the second critic all are 0, so log(2 + 1/2) and log 2.
    """
    proposed = torch.tensor([[[[math.log(2), 0.0], [math.log(6), 0.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    log_density = torch.tensor([[[math.log(0.5), 0.0], [math.log(2), 0.0]]])
    q = torch.tensor([[[1.0, 3.0], [0.0, 0.0]]])
    first = (math.log(7) - 1 + math.log(2) - 3) / 2
    second = (math.log(2.5) + math.log(2)) / 2
    torch.testing.assert_close(
        action_gap(q, proposed, log_density), torch.tensor([[first, second]])
    )
    floored = action_gap(q, proposed, log_density, floor=-1.0)  # log 2 - 3 = -2.3 becomes -1
    assert floored[0, 0].item() == pytest.approx((math.log(7) - 1 - 1) / 2, abs=1e-6)


def test_the_penalty_sums_over_critics_and_weighs_each_run():
    gap = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert conservative_loss(gap, 10.0).tolist() == [30.0, 20.0]
    assert conservative_loss(gap, torch.tensor([[1.0], [5.0]])).tolist() == [3.0, 10.0]


def test_importance_sampling_estimates_the_integral():
    """log mean_j exp(Q(a_j))/p(a_j), even and Gaussian proposals, against the midpoint rule."""
    m = 40_000
    generator = torch.Generator().manual_seed(0)
    even = 2 * torch.rand(m, 1, generator=generator) - 1
    noise = torch.randn(m, 1, generator=generator)
    policy, log_policy = squash(torch.tensor([0.4]), torch.tensor([-0.5]), noise)

    def q(a):
        return 3 * a.squeeze(-1) - 2 * a.squeeze(-1).square()

    proposed = torch.cat((q(even), q(policy))).view(1, 1, 2 * m, 1)
    log_density = torch.cat((torch.full((m,), -math.log(2)), log_policy)).view(1, 2 * m, 1)
    gap = action_gap(torch.zeros(1, 1, 1), proposed, log_density) - math.log(2 * m)
    grid = (torch.arange(10_000) + 0.5)[:, None] / 5_000 - 1
    integral = q(grid).exp().mean() * 2
    assert gap.item() == pytest.approx(integral.log().item(), abs=0.02)


class Bandit:
    """Rewards of 4 actions, and data that hold action k as often as times[k] says, of 20."""

    rewards = torch.tensor([1.0, 0.0, 2.0, -1.0], dtype=torch.float64)
    times = torch.tensor([10, 6, 3, 1])
    mu = times / 20.0
    value = float(mu.double() @ rewards)

    def fitted(self, alpha, reference=None):
        """Q (4,) where (r - Q)^2 + alpha gap is least: the sum over all actions is exact."""
        data = torch.repeat_interleave(torch.arange(4), self.times)
        table = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        for step in range(800):
            q = table[data].view(1, 1, -1)
            proposed = table.view(1, 1, 4, 1).expand(-1, -1, -1, 20)
            if reference is not None:
                proposed = calibrated(proposed, torch.full((1, 20), reference))
            gap = action_gap(q, proposed, torch.zeros(1, 4, 20))
            loss = (q - self.rewards[data]).square().mean(-1).sum(-1) + conservative_loss(
                gap, alpha
            )
            (slope,) = torch.autograd.grad(loss.sum(), table)
            rate = 0.3 / (1 + alpha) / (1 + step / 40)
            table.data -= rate * slope / self.mu
        return table.detach()


@pytest.mark.parametrize("alpha", [0.1, 0.5, 2.0])
def test_the_conservative_value_of_a_policy_is_below_the_true_one(alpha):
    """Where the gradient is 0, Q = r - alpha/2 (pi/mu - 1) for pi = softmax(Q).

    So E_pi[Q] = E_pi[r] - alpha/2 chi^2(pi || mu), with a whole TD error.
    """
    bandit = Bandit()
    q = bandit.fitted(alpha)
    policy = q.softmax(-1)
    expected = bandit.rewards - alpha / 2 * (policy / bandit.mu - 1)
    torch.testing.assert_close(q, expected, rtol=0, atol=1e-4)
    chi_square = ((policy - bandit.mu).square() / bandit.mu).sum()
    short = policy @ bandit.rewards - policy @ q
    torch.testing.assert_close(short, alpha / 2 * chi_square, rtol=1e-3, atol=1e-4)
    assert short > 0.01


def test_calibration_keeps_q_above_the_datas_return_where_cql_does_not():
    """Below V_mu only the data pull: up to r + alpha/2, which here is above V_mu for every action.

    V_mu = (10 + 6 - 1)/20 = 0.75 and the least reward -1, so that alpha = 4 suffices.
    """
    bandit = Bandit()
    assert bandit.value == pytest.approx(0.75)
    assert bandit.fitted(4.0, bandit.value).min() > bandit.value - 0.1
    assert bandit.fitted(4.0).min() < bandit.value - 1


def test_calibration_changes_nothing_where_q_is_above_the_reference():
    q = torch.tensor([[[[1.0, 5.0]], [[3.0, -2.0]]]])
    reference = torch.tensor([[2.0, 0.0]])
    assert calibrated(q, reference).tolist() == [[[[2.0, 5.0]], [[3.0, 0.0]]]]


@pytest.mark.parametrize(("gap", "grows"), [(1.5, True), (0.2, False)])
def test_the_multiplier_grows_while_the_gap_is_above_its_threshold(gap, grows):
    log = torch.zeros(1, 1, requires_grad=True)
    multiplier_loss(log.exp(), torch.tensor([gap]), 0.8).sum().backward()
    assert -log.grad.item() == pytest.approx(gap - 0.8)  # the way that descent goes, at m = 1
    assert (-log.grad.item() > 0) == grows


def test_the_loss_of_td3_and_imitation_by_hand():
    """Q = (1, 3) of mean |Q| 2: lambda = 2.5/2, -1.25 * 2; squares (1, 0, 4, 1), mean 1.5."""
    q = torch.tensor([[1.0, 3.0]])
    actions = torch.tensor([[[1.0, 0.0], [-1.0, 0.5]]])
    data = torch.tensor([[[0.0, 0.0], [1.0, -0.5]]])
    loss = regularised_deterministic_loss(q, actions, data, 2.5)
    assert loss.tolist() == [pytest.approx(1.5 - 2.5)]
    assert regularised_deterministic_loss(q, actions, data, 0.0).tolist() == [1.5]


def test_where_q_is_zero_td3_and_imitation_imitate():
    """As before the first reward is seen: 2.5/0 times 0 would be no number."""
    q, actions = torch.zeros(1, 2, requires_grad=True), torch.ones(1, 2, 1)
    loss = regularised_deterministic_loss(q, actions, 0 * actions, 2.5)
    assert loss.tolist() == [1.0]
    assert torch.autograd.grad(loss.sum(), q)[0].isfinite().all()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_q_changes_neither_that_loss_nor_its_gradient(scale):
    generator = torch.Generator().manual_seed(0)
    data, start = torch.randn(2, 3, 8, 2, generator=generator).clamp(-1, 1)

    def evaluated(factor, q_weight=2.5):
        actions = start.clone().requires_grad_()
        q = factor * (actions - 0.3).square().sum(-1)
        loss = regularised_deterministic_loss(q, actions, data, q_weight)
        return loss.detach(), torch.autograd.grad(loss.sum(), actions)[0]

    torch.testing.assert_close(evaluated(scale), evaluated(1.0), rtol=1e-4, atol=1e-6)
    # lambda is a constant: with a slope of its own, that of Q/|Q| would vanish.
    led = evaluated(1.0)[1] - evaluated(1.0, 0.0)[1]
    assert led.abs().max() > 0.05


def test_the_soft_policy_loss_by_hand():
    """(0.5 * -1 - 2 + 0.5 * 3 - 4)/2 = -2.5."""
    q, log_prob = torch.tensor([[2.0, 4.0]]), torch.tensor([[-1.0, 3.0]])
    assert soft_policy_loss(q, log_prob, 0.5).tolist() == [-2.5]
    assert soft_policy_loss(q, log_prob, torch.tensor([[0.5]])).tolist() == [-2.5]


@pytest.mark.parametrize(("entropy", "grows"), [(-3.0, True), (-1.0, False)])
def test_the_temperature_grows_while_the_entropy_is_below_its_target(entropy, grows):
    log = torch.zeros(1, 1, requires_grad=True)
    temperature_loss(log, torch.tensor([entropy]), -2.0).sum().backward()
    assert (-log.grad.item() > 0) == grows
    assert abs(log.grad.item()) == 1.0
