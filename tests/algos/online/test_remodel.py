"""Remodelled critics on problems whose answers are known."""

import pytest
import torch

from ivr.algos.online.remodel import Remodel
from ivr.losses.online import analytic_critic
from tests.algos.algorithm_making import REMODEL, build, toy_batches, train

SEEDS = [0, 1]


def made(**options) -> Remodel:
    algorithm = build("remodel", SEEDS, **options)
    assert isinstance(algorithm, Remodel)
    return algorithm


def states(n: int = 6) -> torch.Tensor:
    return torch.linspace(-1, 1, 2 * n * 3).view(2, n, 3)


def test_it_begins_as_the_offline_policy_with_its_critic():
    offline = build("sql", SEEDS)
    train(offline, 5)
    online = made(remodel="none")
    online.begin_with(offline)
    shown = states()
    for policy in (online.actor, online.initial_policy, online.reference):
        assert torch.equal(policy(shown), offline.actor(shown))
    assert online.offline_critic is not None
    actions = online.actor(shown)
    assert torch.equal(online.offline_critic(shown, actions), offline.target_critic(shown, actions))


@pytest.mark.parametrize(
    ("case", "options", "says"),
    [
        ("td3bc", {}, "no Gaussian"),
        ("onestep-easy-bcq", {}, "no Gaussian"),
        ("bc", {"remodel": "none"}, "needs a critic"),
    ],
)
def test_what_it_cannot_begin_with_is_said(case, options, says):
    with pytest.raises(ValueError, match=says):
        made(**options).begin_with(build(case, SEEDS))


def test_the_policy_stays_until_the_critics_match_it():
    online = made()
    before = online.actor(states()).detach()
    train(online, online.offline_updates)
    assert torch.equal(online.actor(states()), before)
    assert online.updates_done == 8
    trained = made()
    train(trained, online.offline_updates + 1)
    assert not torch.equal(trained.actor(states()), before)


def test_the_critics_begin_as_the_evaluation_became():
    online = made(alignment_updates=0, remodel="fqe")
    train(online, 4)
    online.before_update(4)
    for a, b in zip(online.critic.parameters(), online.evaluation.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(online.critic.parameters(), online.target_critic.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_evaluation_is_of_the_policy_each_critic_by_its_own_target():
    """y_k = r + gamma (1 - d) Q'_k(s', pi_0(s')), clipped to what can be attained."""
    online = made(discount=0.9, reward_range=[-0.05, 0.05])
    batch = toy_batches(SEEDS, range(1)).at(0)
    noise = torch.zeros_like(batch.actions)
    target = online.evaluation_target(batch, noise)
    following = online.initial_policy(batch.next_observations)
    q = online.target_evaluation(batch.next_observations, following)
    for k in range(REMODEL["critics"]):
        plain = batch.rewards + 0.9 * (1 - batch.terminated) * q[:, k]
        torch.testing.assert_close(target[:, k], plain.clamp(-0.5, 0.5))
    assert (target.abs() == 0.5).any() and (target.abs() < 0.5).any()


def test_without_a_remodel_the_critics_are_fitted_to_the_offline_ones():
    online = made(remodel="none")
    assert online.offline_critic is not None
    batch = toy_batches(SEEDS, range(1)).at(0)
    target = online.evaluation_target(batch, batch.actions)
    q = online.offline_critic(batch.observations, batch.actions).amin(1)
    assert torch.equal(target, q[:, None].expand(-1, 3, -1))


def test_the_analytic_remodel_adds_alpha_log_mu():
    online = build("remodel-analytic", SEEDS)
    batch = toy_batches(SEEDS, range(1)).at(0)
    target = online.evaluation_target(batch, batch.actions)
    q = online.offline_critic(batch.observations, batch.actions).amin(1)
    log_mu = online.behaviour.log_prob(batch.observations, batch.actions)
    alphas = torch.tensor([[1.0], [2.0]])
    torch.testing.assert_close(target[:, 0], analytic_critic(q, log_mu, alphas))


def test_a_reward_that_the_data_lack_is_learned_and_by_its_own_member_alone():
    """Of data that never reach the goal, an episode that does is worth what it is paid."""
    online = made(reward_range=[0.0, 0.0])
    online.see(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    assert online.rewards_seen.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    low, high = online.attainable()
    assert high.flatten().tolist() == pytest.approx([1 / (1 - online.discount), 0.0])
    assert low.flatten().tolist() == [0.0, 0.0]
    batch = toy_batches(SEEDS, range(1)).at(0)
    batch = batch._replace(rewards=torch.ones_like(batch.rewards), terminated=0 * batch.rewards + 1)
    optimizer = torch.optim.Adam(online.critic.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        loss, metrics = online.critic_loss(batch, 0 * batch.actions, torch.rand(2, 3))
        loss.sum().backward()
        optimizer.step()
    assert metrics["value/q"].tolist() == pytest.approx([1.0, 0.0], abs=0.05)
    again = made(reward_range=[0.0, 0.0])
    again.load_state_dict(online.state_dict())
    assert torch.equal(again.rewards_seen, online.rewards_seen)
    earlier = online.state_dict()  # of a version that kept none
    del earlier["rewards_seen"]
    anew = made(reward_range=[0.0, 0.0])
    anew.load_state_dict(earlier)
    assert not anew.rewards_seen.any()
    train(anew, anew.offline_updates + 1)  # one update online, on rewards below 0
    assert (anew.rewards_seen[:, 0] < 0).all() and not anew.rewards_seen[:, 1].any()


def test_the_gate_lets_pass_what_is_as_good_as_the_offline_policys():
    online = made(gate=1.0, gate_slack=0.0)
    with torch.no_grad():
        for p in online.actor.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    shown, noise = states(50), torch.zeros(2, 50, 2)
    actions, passed = online.explore(shown, noise, 0.0)
    learner, initial = online.actor(shown), online.initial_policy(shown)

    def lower(a):
        q = online.critic(shown, a)
        return q.mean(1) - q.std(1)

    expected = lower(learner) >= lower(initial)
    assert expected.any() and not expected.all()
    assert passed is not None and torch.equal(passed.bool(), expected)
    assert torch.equal(actions, torch.where(expected[..., None], learner, initial))
    online.gate_slack = 1e6
    assert online.explore(shown, noise, 1.0)[1].all()
    assert torch.equal(online.explore(shown, noise, 0.0)[0], actions)  # no slack at the beginning
    online.gate = None
    assert torch.equal(online.explore(shown, noise, 0.0)[0], learner)


def test_the_gate_makes_no_difference_while_the_learner_is_the_offline_policy():
    online = made(gate=1.0)
    online.actor.load_state_dict(online.initial_policy.state_dict())
    shown = states(50)
    noise = torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(0))
    actions, passed = online.explore(shown, noise, 0.0)
    assert torch.equal(actions, online.initial_policy.sample(shown, noise))
    assert passed is not None and passed.all()


def test_the_budget_of_the_kl_grows_and_the_multiplier_with_what_exceeds_it():
    online = made(num_updates=108, kl_budget=(0.5, 1.5))  # 100 updates online
    for done, budget in ((0, 0.5), (50, 1.0), (100, 1.5)):
        online.noise.clock.fill_(online.offline_updates + done)
        at_budget = torch.full((2,), budget)
        for difference, sign in ((0.1, -1), (-0.1, 1), (0.0, 0)):
            loss, _ = online.multiplier_loss(at_budget + difference)
            gradient = torch.autograd.grad(loss.sum(), [online.multiplier.log])[0]
            # A step goes against the gradient: the multiplier grows where the KL is too large.
            assert torch.allclose(torch.sign(gradient), torch.tensor(float(sign)), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"remodel": "fq"}, "remodel=fq: there is fqe_align"),
        ({"critics": 1}, "critics=1"),
        ({"target_tau": 0.0}, "target_tau=0.0"),
        ({"kl_budget": [0.1]}, r"kl_budget=\[0.1\] must be two numbers from 0 on"),
        ({"multiplier": 0.0}, "multiplier=0.0 must lie above 0"),
        ({"gate": -1.0}, "gate=-1.0"),
        ({"alignment": -1.0}, "alignment=-1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        made(**options)
