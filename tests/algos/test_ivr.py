"""Sparse and Exponential Q-learning against an update written out with torch.nn and Adam."""

import copy

import pytest
import torch
from torch.nn import functional

from tests.algos.algorithm_making import (
    build,
    toy_batches,
    train,
)


def reference_losses(case, batch, algorithm, alpha):
    """One update's three losses from a copy of the networks, in the reference's order."""
    s, a, r, d, s2 = batch[:5]
    value, actor = copy.deepcopy(algorithm.value), copy.deepcopy(algorithm.actor)
    q = torch.minimum(*algorithm.target_critic(s, a).detach().unbind(1))
    adam = torch.optim.Adam(value.parameters(), lr=3e-4)
    v = value(s)
    if case == "sql":
        loss_v = (functional.relu(1 + (q - v) / (2 * alpha)) ** 2 + v / alpha).mean()
    else:
        z = torch.clamp((q - v) / alpha, max=5)
        top = max(z.max().item(), -1.0)
        loss_v = (torch.exp(z - top) + torch.exp(torch.tensor(-top)) * v / alpha).mean()
    loss_v.backward()
    adam.step()
    with torch.no_grad():
        advantage = q - value(s)
        weight = advantage.clamp(0, 100) if case == "sql" else (10 * advantage / alpha).exp()
        weight = weight.clamp(max=100)
        target = r + 0.99 * (1 - d) * value(s2)
    log_std = actor.log_std.clamp(-5, 2)
    normal = torch.distributions.Normal(torch.tanh(actor.mlp(s)), log_std.exp())
    loss_pi = -(weight * normal.log_prob(a).sum(-1)).mean()
    q1, q2 = algorithm.critic(s, a).unbind(1)
    loss_q = ((q1 - target) ** 2 + (q2 - target) ** 2).mean()
    return loss_v.item(), loss_pi.item(), loss_q.item()


@pytest.mark.parametrize("case", ["sql", "eql"])
def test_one_update_follows_the_reference(case):
    algorithm = build(case, [4], 100)
    batch = toy_batches([4], range(1)).at(0)
    expected = reference_losses(case, batch, algorithm, alpha=5.0)
    before = copy.deepcopy(algorithm.target_critic)
    algorithm.target_tau = 0.5  # with 0.005 one step would hide in the rounding
    train(algorithm, 1)
    measured = [algorithm.last_metrics[f"loss/{n}"].item() for n in ("value", "actor", "critic")]
    assert measured == [pytest.approx(x, rel=1e-4) for x in expected]
    # target <- (target + critic) / 2, with the critic after its step
    for old, new, target in zip(
        before.parameters(),
        algorithm.critic.parameters(),
        algorithm.target_critic.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(target, (old + new) / 2, rtol=0, atol=1e-6)
        assert (target - old).abs().max() > 1e-5


def test_target_starts_equal_to_the_critic():
    algorithm = build("sql", [0, 1])
    for a, b in zip(
        algorithm.critic.parameters(), algorithm.target_critic.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_the_actors_learning_rate_falls_along_a_cosine_and_the_others_stay():
    algorithm = build("sql", [0], 100)
    rates = {}
    for done in (0, 25, 50, 100):
        rates[done] = algorithm.learning_rate("actor", done) / 3e-4
        assert algorithm.learning_rate("value", done) == 3e-4
        assert algorithm.learning_rate("critic", done) == 3e-4
    expected = {0: 1.0, 25: 0.853553, 50: 0.5, 100: 0.0}  # (1 + cos(pi u / N)) / 2
    assert rates == {done: pytest.approx(rate, abs=1e-6) for done, rate in expected.items()}


def test_sparsity_is_the_share_of_weights_that_are_exactly_zero():
    """With a tiny α nearly every action is worse than V - 2α; with a huge one none is."""
    batch = toy_batches([0], range(1)).at(0)
    algorithm = build("sql-paper", [0])
    q = algorithm.data_q(batch)
    for alpha, sparsity in ((1e6, 0.0), (1e-6, 0.5)):
        algorithm.alpha.fill_(alpha)
        algorithm.value.mlp.layers[-1].weight.data.zero_()
        algorithm.value.mlp.layers[-1].bias.data.fill_(q.median())
        _, metrics = algorithm.actor_loss(batch, q, None)
        assert metrics["weight/sparsity"].item() == pytest.approx(sparsity, abs=0.02)
        assert metrics["weight/mean"].item() > 0
