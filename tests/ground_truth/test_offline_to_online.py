"""Why an offline critic is no start for learning online, and which critics are: on tabular MDPs.

pi_0 is the policy of the behaviour-regularised MDP, mu w((Q - U)/alpha - 1), and Q its critic. The
*energy policy* of a critic is the step that a maximum-entropy algorithm takes online: proportional
to exp(critic/alpha). Tolerances are 1e-8 unless a test says otherwise.
"""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.losses.actor import kl_regularised_loss
from ivr.losses.critic import td_target
from ivr.losses.evaluation import attainable_range, bootstrapped_td_loss
from ivr.losses.online import (
    alignment_loss,
    analytic_critic,
    anchor_loss,
    matched_critic,
)
from ivr.losses.soft import soft_policy_loss
from tests.ground_truth.landing import Data
from tests.ground_truth.regulariser import Array, f, h_slope
from tests.ground_truth.tabular import MU_STEPS, TabularMDP, normalise, random_mdp, solve

ORDERS = (0.0, 0.25, 0.5, 1.0, 1.5)
ALPHAS = (0.3, 3.0)
SEEDS = st.integers(0, 2**32 - 1)
close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-8)
solved = functools.cache(lambda seed, *rest: solve(random_mdp(seed), *rest))
every_solution = pytest.mark.parametrize(
    ("seed", "alpha", "order", "exact"),
    [(s, a, o, e) for s, a in enumerate(ALPHAS) for o in ORDERS for e in (True, False)],
)


def log(x: Array) -> torch.Tensor:
    """log x, minus infinity at 0."""
    return torch.from_numpy(x).log()


def energy(q: Array, alpha: float, prior: Array | float = 1.0) -> Array:
    """The policy (S, A) proportional to prior exp(Q/alpha)."""
    q = np.where(np.broadcast_to(prior, q.shape) > 0, q, -np.inf)
    weight = prior * np.exp((q - q.max(-1, keepdims=True)) / alpha)
    return weight / weight.sum(-1, keepdims=True)


def greedy(q: Array) -> Array:
    """The policy (S, A) of the best actions."""
    return np.eye(q.shape[-1])[q.argmax(-1)]


def evaluated(mdp: TabularMDP, policy: Array) -> tuple[Array, Array]:
    """Q^pi (S, A) and V^pi (S,), of the rewards alone."""
    v = mdp.evaluate(policy, mdp.rewards)
    return mdp.backup(v), v


def soft_value(q: Array, alpha: float) -> Array:
    """alpha log sum_a exp(Q/alpha), (S,)."""
    return (alpha * (torch.from_numpy(q) / alpha).logsumexp(-1)).numpy()


def matched(value: Array, policy: Array, alpha: float) -> Array:
    return matched_critic(torch.from_numpy(value)[:, None], log(policy), alpha).numpy()


# The matched critic.


@every_solution
def test_the_matched_critic_leaves_the_policy_where_it_is(seed, alpha, order, exact):
    found = solved(seed, alpha, order, exact)
    assert (found.policy == 0).any()  # actions without data, and above the order 0 those cut
    close(energy(matched(found.v, found.policy, alpha), alpha), found.policy)


@every_solution
def test_the_offline_critic_does_not(seed, alpha, order, exact):
    """It gives mass to actions that the data lack; how much is up to extrapolation."""
    found, unseen = solved(seed, alpha, order, exact), random_mdp(seed).behaviour == 0
    online = energy(found.q, alpha)
    assert found.policy[unseen].max() == 0 and online[unseen].min() > 0
    assert online[unseen].max() > 0.5  # random_mdp makes them look the best
    among_seen = energy(np.where(unseen, -np.inf, found.q), alpha)
    assert np.abs(among_seen - found.policy).max() > 0.03


@pytest.mark.parametrize("alpha", ALPHAS)
def test_at_the_order_0_the_offline_critic_moves_it_most_where_the_data_are_thin(alpha):
    """pi_0 is mu pi_online, normalised, so that pi_online/pi_0 is c(s)/mu(a|s)."""
    for seed in range(3):
        mdp, found = random_mdp(seed), solved(seed, alpha, 0.0, True)
        online = energy(found.q, alpha)
        product = mdp.behaviour * online
        close(product / product.sum(-1, keepdims=True), found.policy)
        for mu, new, old in zip(mdp.behaviour, online, found.policy, strict=True):
            ratio = (new / np.where(old > 0, old, np.nan))[mu > 0]
            close(ratio * mu[mu > 0], (ratio * mu[mu > 0])[0], rtol=1e-8, atol=0)


@pytest.mark.parametrize("order", ORDERS)
def test_of_two_equally_good_actions_the_rarer_one_gains_at_every_order(order):
    """Their w are one, so that the odds pi_0 of 1 to 4 become 1 to 1: mu is forgotten."""
    q, mu = np.array([[1.0, 1.0, 0.0]]), np.array([[0.1, 0.4, 0.5]])
    _, w = normalise(q, mu, 0.7, order)
    policy, online = mu * w, energy(q, 0.7)
    close(policy[0, 1] / policy[0, 0], 4)
    close(online[0, 1] / online[0, 0], 1)


def test_where_the_data_take_all_actions_alike_the_offline_critic_matches_too():
    mdp = random_mdp(0)
    even = np.full_like(mdp.behaviour, 1 / mdp.behaviour.shape[1])
    mdp = TabularMDP(mdp.transitions, mdp.rewards, even, mdp.terminal, mdp.discount)
    found = solve(mdp, 0.3, 0.0)
    close(energy(found.q, 0.3), found.policy)


@every_solution
def test_the_analytic_critic_is_the_matched_one_at_the_order_0_alone(seed, alpha, order, exact):
    mu, found = random_mdp(seed).behaviour, solved(seed, alpha, order, exact)
    q = analytic_critic(torch.from_numpy(found.q), log(mu), alpha).numpy()
    close(q[mu > 0], found.q[mu > 0] + alpha * np.log(mu[mu > 0]), atol=1e-12)
    if order == 0:
        close(q[mu > 0], matched(found.v, found.policy, alpha)[mu > 0])
        close(energy(q, alpha), found.policy)
    else:
        assert np.abs(energy(q, alpha) - found.policy).max() > 1e-3


@every_solution
def test_a_matched_critic_matches_until_it_is_trained(seed, alpha, order, exact):
    """Its soft value is V, so that one soft Bellman backup of it is the offline critic again."""
    mdp, found = random_mdp(seed), solved(seed, alpha, order, exact)
    value = soft_value(matched(found.v, found.policy, alpha), alpha)
    close(value, found.v)
    close(mdp.backup(value), found.q)


def logit_slope(loss, policy: Array) -> Array:
    """The gradient (S, A) of a loss of log pi, in the logits, at a policy > 0."""
    logits = log(policy).requires_grad_()
    (slope,) = torch.autograd.grad(loss(logits.log_softmax(-1)), logits)
    return slope.numpy()


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0])
def test_the_matched_critic_is_for_the_entropy_step_and_not_for_one_held_by_a_divergence(order):
    """E_pi[Q] - lambda KL(pi || pi_0) is largest at pi_0 exp(Q/lambda): pi_0^(1 + alpha/lambda).

    So an actor that is held by the KL must be given Q^pi_0, or it makes pi_0 sharper, however
    good the actions are. For the entropy step the gradient at pi_0 is 0.
    """
    alpha, strength = 5.0, 2.0
    q, mu = np.array([[0.0, 1.0, 2.0]]), np.array([[0.6, 0.3, 0.1]])
    u, w = normalise(q, mu, alpha, order)
    policy = mu * w
    critic = torch.from_numpy(matched(u + alpha, policy, alpha))

    def soft(log_pi):  # each action is a run of one sample, the expectation is exact
        return (log_pi[0].exp() * soft_policy_loss(critic.T, log_pi.T, alpha)).sum()

    def held(log_pi):
        kl = (log_pi.exp() * (log_pi - log(policy))).sum(-1)
        return kl_regularised_loss((log_pi.exp() * critic).sum(-1), kl, strength)

    close(logit_slope(soft, policy), 0)
    assert np.abs(logit_slope(held, policy)).max() > 0.1
    sharper = policy ** (1 + alpha / strength)
    close(logit_slope(held, sharper / sharper.sum()), 0)


# Evaluation.


def drawn(seed: int) -> tuple[TabularMDP, Array]:
    """A random MDP, and a policy in it that rules some actions out."""
    rng = np.random.default_rng(seed)
    mdp = random_mdp(seed, discount=rng.choice([0.0, 0.5, 0.9, 0.99]))
    shape = mdp.rewards.shape
    policy = (0.01 + rng.gamma(0.5, size=shape)) * (rng.random(shape) < 0.8)
    policy[:, 0] += policy.sum(-1) == 0
    return mdp, policy / policy.sum(-1, keepdims=True)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.sampled_from([1e-3, 0.1, 1.0, 30.0]))
def test_a_step_of_improvement_on_the_policys_own_critic_lowers_no_state(seed, strength):
    """The policy improvement theorem: E_pi[Q^pi_0] >= V^pi_0 everywhere, so V^pi >= V^pi_0.

    Greedy, and the maximum of E_pi[Q] - lambda KL(pi || pi_0), which gains for any lambda.
    """
    mdp, policy = drawn(seed)
    q, v = evaluated(mdp, policy)
    for better in (greedy(q), energy(q, strength, prior=policy)):
        assert (mdp.evaluate(better, mdp.rewards) - v >= -1e-10 * (1 + np.abs(v))).all()
    taken = np.ptp(np.where(policy > 0, q, v[:, None]), axis=-1)
    if taken.max() > 1e-3:  # and gains, unless all actions that it takes are alike
        gain = mdp.evaluate(energy(q, 1e-3, prior=policy), mdp.rewards) - v
        assert gain.max() > 1e-6


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([0.1, 1.0]))
def test_a_soft_step_lowers_no_states_soft_value(seed, alpha):
    """The same with entropy in the reward (Haarnoja et al., 2018, Lemma 2), for Q of pi_0."""
    mdp, policy = drawn(seed)

    def soft(policy):
        log_policy = np.log(np.where(policy > 0, policy, 1))
        return mdp.evaluate(policy, mdp.rewards - alpha * log_policy)

    v = soft(policy)
    assert (soft(energy(mdp.backup(v), alpha)) - v >= -1e-10 * (1 + np.abs(v))).all()


@every_solution
def test_so_it_is_for_the_policies_of_the_family(seed, alpha, order, exact):
    mdp, found = random_mdp(seed), solved(seed, alpha, order, exact)
    q, v = evaluated(mdp, found.policy)
    gains = [mdp.evaluate(greedy(q), mdp.rewards) - v]
    gains += [mdp.evaluate(energy(q, x, prior=found.policy), mdp.rewards) - v for x in ALPHAS]
    assert np.min(gains) >= -1e-10
    assert np.max(gains) > 1e-3


FORK = TabularMDP(
    transitions=np.eye(4)[[[1, 2], [1, 3], [3, 3], [3, 3]]],
    rewards=np.array([[0.0, 0.0], [1.0, 0.0], [4.1, 4.1], [0.0, 0.0]]),
    behaviour=np.array([[0.9, 0.1], [0.05, 0.95], [0.5, 0.5], [0.5, 0.5]]),
    terminal=np.arange(4) == 3,
    discount=0.9,
)
"""State 0 is a fork: left (1) one earns 1 a step for as long as one does what the data rarely do,
right (2) 4.1 at once. The left is worth 1/(1 - 0.9) = 10, but the offline V deducts alpha f(pi/mu)
a step for leaving the data: with 0.6 a step (1 - 0.6)/(1 - 0.9) = 4 remain, less than on the right.
Every action has data, and no value is estimated."""


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "approximate"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_step_of_improvement_on_the_offline_critic_can_lower_a_state(order, exact):
    """At alpha f(20) = 0.6: Q(0, .) = 0.9 (4, 4.1), whereas Q^pi_0(0, .) = 0.9 (10, 4.1).

    pi_0 still goes left with p > 0.4, as the data do in 0.9 of cases: 9 p + 3.69 (1 - p) > 5.8.
    The greedy step goes right, for 3.69. A step held by the KL falls as well, be it small or large.
    """
    most = np.array(float(MU_STEPS))  # pi/mu of the action with mu 1/20, where it is always taken
    alpha = 0.6 / float(f(most, order) if exact else h_slope(most, order) - 1)
    found = solve(FORK, alpha, order, exact)
    close(found.q[0], (3.6, 3.69), atol=1e-4)
    own, before = evaluated(FORK, found.policy)
    close(own[0], (9, 3.69), atol=1e-4)
    left = found.policy[0, 0]
    assert left > 0.4
    close(before[0], 9 * left + 3.69 * (1 - left), atol=1e-4)

    def after(policy):
        return FORK.evaluate(policy, FORK.rewards)[0]

    close(after(greedy(found.q)), 3.69, atol=1e-4)
    assert after(energy(found.q, alpha)) < before[0] - 0.5
    for strength in (0.1 * alpha, alpha, 10 * alpha):
        assert after(energy(found.q, strength, prior=found.policy)) < before[0] - 0.01
        assert after(energy(own, strength, prior=found.policy)) > before[0] + 0.01
    assert after(energy(matched(found.v, found.policy, alpha), alpha)) == pytest.approx(before[0])
    close(after(greedy(own)), 9)


# The losses, by gradient descent on tables.


def weighted(mdp: TabularMDP, data: Data, weight: Array) -> TabularMDP:
    """The MDP as data of given weights (B,) show it: other frequencies of s', where they differ."""
    counts = np.zeros_like(mdp.transitions)
    np.add.at(counts, (data.s.numpy(), data.a.numpy(), data.next_s.numpy()), weight)
    seen = counts.sum(-1, keepdims=True)
    transitions = np.where(seen > 0, counts / np.where(seen > 0, seen, 1), mdp.transitions)
    return TabularMDP(transitions, mdp.rewards, mdp.behaviour, mdp.terminal, mdp.discount)


@pytest.mark.parametrize("bootstrap", [False, True], ids=["alike", "bootstrap"])
def test_evaluation_finds_the_policys_own_critic(bootstrap):
    """Q^pi_0 = r + gamma P V^pi_0, (I - gamma P_pi_0) V^pi_0 = r_pi_0, within 1e-3.

    Two policies side by side, three critics each; with a bootstrap every critic evaluates the
    policy in the world as its own draw of the data shows it.
    """
    mdp = random_mdp(0, 4, 4, 0.5)
    data = Data(mdp)
    policies = np.stack([solve(mdp, alpha, 0.5).policy for alpha in ALPHAS])
    rows, shape = len(data.s), (2, 3, *mdp.rewards.shape)
    drawn = np.random.default_rng(0).integers(1, 4, size=(2, rows, 3))
    weights = torch.from_numpy(drawn).double() if bootstrap else None
    next_pi = torch.from_numpy(policies)[:, None, data.next_s]
    q = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    target_q = torch.zeros_like(q)
    for _ in range(600):
        next_v = (next_pi * target_q[:, :, data.next_s]).sum(-1)
        target = td_target(data.rewards[:, None], data.terminated[:, None], next_v, 0.5)
        loss = bootstrapped_td_loss(q[:, :, data.s, data.a], target, weights)
        (slope,) = torch.autograd.grad(loss.sum(), q)
        q.data -= slope
        target_q += 0.2 * (q.detach() - target_q)
    seen, found = mdp.behaviour > 0, q.detach().numpy()
    for run, policy in enumerate(policies):
        true, _ = evaluated(mdp, policy)
        for critic in range(3):
            shown = weighted(mdp, data, drawn[run, :, critic]) if bootstrap else mdp
            expected, _ = evaluated(shown, policy)
            close(found[run, critic][seen], expected[seen], atol=1e-3)
            assert not bootstrap or np.abs(expected - true)[seen].max() > 0.02
    assert (found[:, :, ~seen] == 0).all()  # what the data lack is never asked for


def test_alignment_and_anchor_find_the_lower_of_both_critics():
    """Q is min(Q^fqe, Q^fqe(m) + lambda_0 (log pi_0 - log pi_0(m))), within 1e-3.

    So no action's odds against the mode, in the energy policy of lambda_0, exceed pi_0's.
    """
    mdp, temperature = random_mdp(1), 0.4
    policy = energy(np.random.default_rng(1).normal(size=mdp.rewards.shape), 1.0)
    fqe = torch.from_numpy(np.stack(2 * [evaluated(mdp, policy)[0]]))[None]  # (R, K, S, A)
    log_pi = log(policy)
    mode = log_pi.argmax(-1)[None, None, :, None].expand(1, 2, -1, 1)
    excess = (log_pi - log_pi.amax(-1, keepdim=True)).T[
        None
    ]  # (R, M, B): all actions of all states
    fixed = fqe.gather(-1, mode).squeeze(-1)
    q = fqe.clone().requires_grad_()
    for _ in range(400):
        at_mode = q.gather(-1, mode).squeeze(-1)
        loss = alignment_loss(q.mT, at_mode, excess, temperature) + anchor_loss(at_mode, fixed)
        (slope,) = torch.autograd.grad(loss.sum(), q)
        q.data -= 2.0 * slope
    expected = torch.minimum(fqe, fixed[..., None] + temperature * excess.mT[:, None])
    close(q.detach(), expected, atol=1e-3)
    assert (fqe - expected).max() > 0.5 and (expected == fqe).double().mean() > 0.2
    odds = ((q.detach() - fixed[..., None]) / temperature).exp()
    assert (odds <= (excess.mT[:, None]).exp() + 1e-3).all()


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_every_policys_critic_lies_in_the_attainable_range(seed):
    mdp, policy = drawn(seed)
    for shift in (-9, 0, 9):  # rewards below 0, of both signs, and above
        rewards = mdp.rewards + shift
        shifted = TabularMDP(mdp.transitions, rewards, mdp.behaviour, mdp.terminal, mdp.discount)
        q, _ = evaluated(shifted, policy)
        low, high = attainable_range(rewards.min(), rewards.max(), mdp.discount)
        assert low - 1e-9 <= q.min() and q.max() <= high + 1e-9
