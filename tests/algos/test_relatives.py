"""One update of each relative against its losses written out with torch.nn."""

import copy

import pytest
import torch
from torch.nn import functional

from ivr.algos.engine.base import OfflineAlgorithm
from tests.algos import algorithm_making
from tests.algos.algorithm_making import OUTCOME, build, toy_batches, train

BATCH = toy_batches([4], range(1)).at(0)
S, A, R, D, S2, A2, W, G = BATCH[:8]


def stepped(network, loss, lr=3e-4):
    """A copy of a network after one step of Adam on loss(copy)."""
    network = copy.deepcopy(network)
    adam = torch.optim.Adam(network.parameters(), lr=lr)
    loss(network).backward()
    adam.step()
    return network


def log_prob(actor, inputs):
    normal = torch.distributions.Normal(
        torch.tanh(actor.mlp(inputs)), actor.log_std.clamp(-5, 2).exp()
    )
    return normal.log_prob(A).sum(-1)


def one_update(case):
    """An algorithm before and after its first update, and the losses of that update."""
    before = build(case, [4])
    after = build(case, [4])
    train(after, 1)
    losses = {k: v.item() for k, v in after.last_metrics.items() if k.startswith("loss/")}
    return before, losses


def test_implicit_q_learning():
    """τ = 0.7, β = 3, weights up to 100."""
    algorithm, losses = one_update("iql")
    q = torch.minimum(*algorithm.target_critic(S, A).detach().unbind(1))

    def expectile(value):
        difference = q - value(S)
        return ((0.7 - (difference < 0).float()).abs() * difference**2).mean()

    value = stepped(algorithm.value, expectile)
    with torch.no_grad():
        weight = (3 * (q - value(S))).exp().clamp(max=100)
        target = R + 0.99 * (1 - D) * value(S2)
    q1, q2 = algorithm.critic(S, A).unbind(1)
    expected = {
        "loss/value": expectile(algorithm.value),
        "loss/actor": -(weight * log_prob(algorithm.actor, S)).mean(),
        "loss/critic": ((q1 - target) ** 2 + (q2 - target) ** 2).mean(),
    }
    assert losses == {k: pytest.approx(v.item(), rel=1e-4) for k, v in expected.items()}


def test_extreme_q_learning():
    """β = 2, clip 7, floor -1, Huber(20) with a half inside, actor weight exp(3 A) up to 100."""
    algorithm, losses = one_update("xql")
    q = torch.minimum(*algorithm.target_critic(S, A).detach().unbind(1))

    def gumbel(value):
        z = ((q - value(S)) / 2).clamp(max=7)
        top = z.max().clamp(min=-1).detach()
        return (torch.exp(z - top) - z * torch.exp(-top) - torch.exp(-top)).mean()

    value = stepped(algorithm.value, gumbel)
    with torch.no_grad():
        weight = (3 * (q - value(S))).exp().clamp(max=100)
        target = R + 0.99 * (1 - D) * value(S2)

    def huber(error):
        error = error.abs()
        return torch.where(error < 20, 0.5 * error**2, 20 * (error - 10)).mean()

    q1, q2 = algorithm.critic(S, A).unbind(1)
    expected = {
        "loss/value": gumbel(algorithm.value),
        "loss/actor": -(weight * log_prob(algorithm.actor, S)).mean(),
        "loss/critic": huber(q1 - target) + huber(q2 - target),
    }
    assert losses == {k: pytest.approx(v.item(), rel=1e-4) for k, v in expected.items()}


def sarsa(algorithm):
    next_q = torch.minimum(*algorithm.target_critic(S2, A2).detach().unbind(1))
    target = R + 0.99 * (1 - D) * next_q
    q1, q2 = algorithm.critic(S, A).unbind(1)
    return ((q1 - target) ** 2 + (q2 - target) ** 2).mean()


def test_one_step_with_exponential_weights():
    """β = 3, weights up to 100, V the mean of Q; the target has moved by 0.005 before."""
    algorithm, losses = one_update("onestep")

    def critic_loss(critic):
        holder = copy.copy(algorithm)
        holder._modules = {**algorithm._modules, "critic": critic}
        return sarsa(holder)

    critic = stepped(algorithm.critic, critic_loss)
    target = copy.deepcopy(algorithm.target_critic)
    for old, new in zip(target.parameters(), critic.parameters(), strict=True):
        old.data.lerp_(new.data, 0.005)
    q = torch.minimum(*target(S, A).detach().unbind(1))
    value = stepped(algorithm.value, lambda value: 0.5 * functional.mse_loss(value(S), q))
    weight = (3 * (q - value(S).detach())).exp().clamp(max=100)
    expected = {
        "loss/critic": sarsa(algorithm),
        "loss/value": 0.5 * functional.mse_loss(algorithm.value(S), q),
        "loss/actor": -(weight * log_prob(algorithm.actor, S)).mean(),
    }
    assert losses == {k: pytest.approx(v.item(), rel=1e-4) for k, v in expected.items()}


def test_one_step_with_a_kl_penalty():
    """α E[KL] - E[Q] by torch's own KL, with the noise that the update drew."""
    algorithm, losses = one_update("onestep-reverse-kl")
    behaviour = stepped(algorithm.behaviour, lambda actor: -log_prob(actor, S).mean())
    noise = algorithm.noise.normal("policy", A)
    assert noise.std().item() == pytest.approx(1, abs=0.15) and abs(noise.mean()) < 0.2

    def normal(actor):
        return torch.distributions.Normal(actor(S), actor.clamped_log_std.exp())

    policy = normal(algorithm.actor)
    kl = torch.distributions.kl_divergence(policy, normal(behaviour)).sum(-1)
    sampled = (policy.mean + policy.stddev * noise).clamp(-1, 1)
    critic = stepped(
        algorithm.critic,
        lambda critic: sum(
            functional.mse_loss(q, R + 0.99 * (1 - D) * algorithm.target_critic(S2, A2).amin(1))
            for q in critic(S, A).unbind(1)
        ),
    )
    q = torch.minimum(*critic(S, sampled).unbind(1))
    assert losses["loss/actor"] == pytest.approx((5.0 * kl - q).mean().item(), rel=1e-3, abs=1e-4)
    assert losses["loss/critic"] == pytest.approx(sarsa(algorithm).item(), rel=1e-4)


def test_easy_bcq_acts_on_the_best_proposal():
    """Of ten proposals of the cloned policy the one with the highest Q, whatever the state."""
    algorithm = build("onestep-easy-bcq", [0, 1])
    train(algorithm, 2)
    states = torch.linspace(-1, 1, 2 * 7 * 3).view(2, 7, 3)
    chosen = algorithm.mode(states)
    std = algorithm.behaviour.clamped_log_std.exp()
    proposals = algorithm.behaviour(states)[:, None] + std[
        :, None
    ] * algorithm.candidate_noise.first(states)
    proposals = proposals.clamp(-1, 1)
    assert proposals.shape[1] == 10
    q = torch.stack([algorithm.critic(states, proposals[:, m]).amin(1) for m in range(10)], 1)
    best = q.argmax(1)
    for member in range(2):
        for n in range(7):
            expected = proposals[member, best[member, n], n]
            assert torch.equal(chosen[member, n], expected)
    assert len(best.unique()) > 1


@pytest.mark.parametrize("case", ["bcq", "onestep-easy-bcq"])
def test_proposals_are_drawn_anew_at_every_step_of_an_episode(case):
    """By the seed and the step alone: not by the slot, nor by who else is in the stack."""
    together, alone = (build(case, seeds) for seeds in ([0, 1], [1]))
    states = torch.linspace(-1, 1, 5 * 3).view(1, 5, 3)
    begun = torch.zeros(1, 5, dtype=torch.bool)
    begun[0, 2] = True
    acted = {}
    for name, algorithm in (("together", together), ("alone", alone)):
        runs, player = algorithm.runs, algorithm.begin(5)
        seen, none = states.expand(runs, 5, 3), torch.zeros(runs, 5)
        starts = [begun.expand(runs, 5) if t == 3 else none.bool() for t in range(6)]
        with torch.no_grad():
            acted[name] = torch.stack([player(seen, none, s)[-1] for s in starts])
            assert torch.equal(acted[name][0], algorithm.act(seen)[-1])
    torch.testing.assert_close(acted["together"], acted["alone"])
    steps = acted["alone"]
    others = steps[:, [0, 1, 3, 4]]
    assert all((others[t] != others[t + 1]).any() for t in range(5))
    torch.testing.assert_close(steps[3:, 2], steps[:3, 2])  # its second episode
    assert (others[3:] != others[:3]).any()


def test_rvs_imitates_given_the_outcome_and_asks_for_its_goal():
    algorithm = build("rvs", [4])
    algorithm.actor_dropout = 0.0
    expected = -log_prob(algorithm.actor, torch.cat((S, W), -1)).mean()
    train(algorithm, 1)
    assert algorithm.last_metrics["loss/actor"].item() == pytest.approx(expected.item(), rel=1e-4)
    asked = torch.tensor(OUTCOME).expand(1, 64, 2)
    assert torch.equal(algorithm.mode(S), algorithm.actor(torch.cat((S, asked), -1)))


@pytest.mark.parametrize(
    ("case", "option", "message"),
    [
        ("iql", {"expectile": 1.0}, "expectile=1.0"),
        ("iql", {"temperature": -1.0}, "temperature=-1.0"),
        ("xql", {"temperature": 0.0}, "temperature=0.0 must lie above 0"),
        ("xql", {"huber_delta": 0.0}, "huber_delta=0.0 must lie above 0, or be null"),
        ("iql", {"weight_clip": -5.0}, "weight_clip=-5.0 must lie above 0, or be null"),
        ("onestep", {"weight_clip": 0.0}, "weight_clip=0.0"),
        ("onestep-easy-bcq", {"candidates": 0}, "candidates=0"),
        ("bc", {"fraction": 0.0}, "fraction=0.0"),
        ("ivr", {"max_ratio": 0.5}, "max_ratio=0.5"),
        ("ivr", {"value": "both"}, "value=both"),
        ("sql", {"target_tau": 0.0}, "target_tau=0.0"),
    ],
)
def test_an_option_outside_its_range_is_refused(case, option, message, monkeypatch):
    algorithm, options = algorithm_making.CASES[case]
    monkeypatch.setitem(algorithm_making.CASES, case, (algorithm, {**options, **option}))
    with pytest.raises(ValueError, match=message):
        build(case, [0])


def test_the_error_of_a_critic_that_follows_a_policy():
    """r + gamma (1 - d) min Q(s', pi(s')), which is what an algorithm has that says nothing."""
    algorithm = build("onestep-reverse-kl", [4])
    q, target = OfflineAlgorithm.critic_and_target(algorithm, BATCH)
    following = algorithm.target_critic(S2, torch.tanh(algorithm.actor.mlp(S2)))
    expected = R + 0.99 * (1 - D) * torch.minimum(*following.unbind(1))
    assert D.min() == 0 and D.max() == 1
    torch.testing.assert_close(target, expected)
    assert torch.equal(q, algorithm.critic(S, A))


def test_the_error_of_sarsa_is_of_the_datas_next_action():
    algorithm = build("onestep", [4])
    q1, q2 = algorithm.critic(S, A).unbind(1)
    following = torch.minimum(*algorithm.target_critic(S2, A2).unbind(1))
    target = R + 0.99 * (1 - D) * following
    expected = (((q1 - target) ** 2 + (q2 - target) ** 2) / 2).mean(-1)
    torch.testing.assert_close(algorithm.bellman_error(BATCH), expected.detach())
