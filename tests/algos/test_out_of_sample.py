"""TD3+BC, CQL and Cal-QL: one update against its losses written out, and what drives them."""

import copy
import math

import pytest
import torch
from torch.nn import functional

from tests.algos.algorithm_making import CASES, build, toy_batches, train
from tests.algos.test_relatives import one_update, stepped

BATCH = toy_batches([4], range(1)).at(0)
S, A, R, D, S2, _, _, G = BATCH[:8]


def test_td3_and_imitation():
    """The actor, targets moved by 0.005, then TD with noise 0.2 cut at 0.5; lambda = 2.5/|Q|."""
    algorithm, losses = one_update("td3bc")

    def actor_loss(actor):
        q = algorithm.critic(S, actor(S))[:, 0]
        return -2.5 * q.mean() / q.abs().mean().detach() + functional.mse_loss(actor(S), A)

    actor = stepped(algorithm.actor, actor_loss)
    target_actor = copy.deepcopy(algorithm.target_actor)
    for old, new in zip(target_actor.parameters(), actor.parameters(), strict=True):
        old.data.lerp_(new.data, 0.005)
    noise = (0.2 * algorithm.noise.normal("target", A)).clamp(-0.5, 0.5)
    next_actions = (target_actor(S2) + noise).clamp(-1, 1)
    q1, q2 = algorithm.target_critic(S2, next_actions).unbind(1)
    target = (R + 0.99 * (1 - D) * torch.minimum(q1, q2)).detach()
    q1, q2 = algorithm.critic(S, A).unbind(1)
    expected = {
        "loss/actor": actor_loss(algorithm.actor),
        "loss/critic": functional.mse_loss(q1, target) + functional.mse_loss(q2, target),
    }
    assert losses == {k: pytest.approx(v.item(), rel=1e-4) for k, v in expected.items()}


def test_the_actor_and_both_targets_move_at_every_second_update():
    moved = []
    for updates in range(4):
        before, after = build("td3bc", [4]), build("td3bc", [4])
        if updates:
            train(before, updates)
        train(after, updates + 1)
        old, new = before.state_dict(), after.state_dict()
        moved.append({k.split(".")[0] for k in new if not torch.equal(old[k], new[k])})
    everything = {"actor", "critic", "target_actor", "target_critic"}
    # The targets are equal to their networks until the first step of the critic.
    assert moved[0] == everything - {"target_critic"}
    assert moved[1:] == [{"critic"}, everything, {"critic"}]


@pytest.mark.parametrize(
    ("case", "gain", "most"),
    [("cql", 0.01, 0), ("calql", 0.01, 0), ("combo", 3**-0.5, 0.01), ("mcq", 3**-0.5, 0.02)],
)
def test_last_layers_start_with_the_gain_of_their_source(case, gain, most):
    """0.01 in CORL, torch's own in the others' code; either hardly saturates at AntMaze's 40 m."""
    given = {} if case == "mcq" else {"alpha": 5.0}
    algorithm = CASES[case][0](
        seeds=[0, 1],
        observation_dim=29,
        action_low=[-1.0] * 8,
        action_high=[1.0] * 8,
        num_updates=100,
        **given,
    )
    states = torch.randn(2, 500, 29, generator=torch.Generator().manual_seed(0))
    states[..., :2] = 20 + 10 * states[..., :2]
    saturated = (algorithm.mode(states).abs() > 0.99).float().mean().item()
    assert saturated <= most
    for network in (algorithm.actor, algorithm.critic, algorithm.target_critic):
        size = network.mlp.layers[-1].weight.norm(dim=-2)
        torch.testing.assert_close(size, torch.full_like(size, gain))


@pytest.mark.parametrize("case", ["cql", "cql-lagrange", "calql"])
def test_conservative_q_learning(case):
    """The critic's loss with the policy of after its step; alpha 5, m = e, threshold 0.8.

    Three proposals of each kind. Cal-QL raises Q at the policy's to the return to go.
    """
    algorithm, losses = one_update(case)
    lagrange = case != "cql"
    noise = algorithm.noise.normal("policy", A)
    actions, log_prob = algorithm.actor.sample(S, noise)
    q = torch.minimum(*algorithm.critic(S, actions).unbind(1))
    # The temperature begins at 1.
    assert losses["loss/actor"] == pytest.approx((log_prob - q).mean().item(), rel=1e-4)

    actor = stepped(
        algorithm.actor,
        lambda policy: (
            policy.sample(S, noise)[1] - algorithm.critic(S, policy.sample(S, noise)[0]).amin(1)
        ).mean(),
        lr=1e-4,
    )
    draws = algorithm.draws(BATCH)
    candidates = [
        torch.minimum(*algorithm.target_critic(S2, actor.sample(S2, one)[0]).unbind(1))
        for one in draws.target.unbind(1)
    ]
    assert len(candidates) == (3 if lagrange else 1)
    target = (R + 0.99 * (1 - D) * torch.stack(candidates).amax(0)).detach()
    loss = 0.0
    for k in range(2):
        q = algorithm.critic(S, A)[:, k]
        terms = []
        for j in range(3):
            even = algorithm.critic(S, draws.even[:, j])[:, k]
            terms.append(even + 2 * math.log(2))  # a density of 1/4 on [-1, 1]^2
            for states, drawn in ((S, draws.here), (S2, draws.there)):
                actions, log_density = actor.sample(states, drawn[:, j])
                ours = algorithm.critic(S, actions)[:, k]
                terms.append((torch.maximum(ours, G) if case == "calql" else ours) - log_density)
        gap = (torch.stack(terms).exp().sum(0).log() - q).mean()
        penalty = 5 * math.e * (gap - 0.8) if lagrange else 5 * gap
        loss = loss + functional.mse_loss(q, target) + penalty
    assert losses["loss/critic"] == pytest.approx(loss.item(), rel=1e-3)


def test_calibration_is_felt():
    """Returns high above Q: the policy's actions count as if worth them."""
    high, plain = build("calql", [4]), build("cql-lagrange", [4])
    batch = BATCH._replace(discounted_returns_to_go=torch.full_like(R, 100.0))
    draws = plain.draws(batch)
    ours, theirs = (one.critic_loss(batch, draws)[1]["penalty/gap"] for one in (high, plain))
    assert ours.item() > 90 > theirs.item()


@pytest.mark.parametrize(("threshold", "grows"), [(-50.0, True), (50.0, False)])
def test_the_multiplier_follows_the_gap(threshold, grows):
    algorithm = build("cql-lagrange", [0, 1])
    algorithm.gap_threshold = threshold
    train(algorithm, 10)
    assert ((algorithm.multiplier() > math.e) == grows).all()


def test_the_multiplier_is_capped():
    algorithm = build("cql-lagrange", [0])
    algorithm.multiplier.log.data.fill_(200.0)  # e^200 is infinite in float32
    train(algorithm, 2)
    assert all(loss.isfinite().all() for loss in algorithm.last_metrics.values())


@pytest.mark.parametrize(("target", "grows"), [(50.0, True), (-50.0, False)])
def test_the_temperature_follows_the_entropy(target, grows):
    algorithm = build("cql", [0, 1])
    assert algorithm.target_entropy == -2.0
    algorithm.target_entropy = target
    train(algorithm, 10)
    assert ((algorithm.temperature() > 1) == grows).all()


@pytest.mark.parametrize(
    ("case", "option", "message"),
    [
        ("td3bc", {"q_weight": -1.0}, "q_weight=-1.0 must lie from 0 on"),
        ("td3bc", {"policy_delay": 0}, "policy_delay=0 must lie from 1 on"),
        ("td3bc", {"target_tau": 0.0}, "target_tau=0.0"),
        ("cql", {"proposals": 0}, "proposals=0 must lie from 1 on"),
        ("calql", {"target_tau": 1.5}, "target_tau=1.5"),
    ],
)
def test_an_option_outside_its_range_is_named(case, option, message):
    algorithm, _ = CASES[case]
    fixed = {"seeds": [0], "observation_dim": 3, "action_low": [0.0], "action_high": [1.0]}
    alpha = {} if case == "td3bc" else {"alpha": 1.0}
    with pytest.raises(ValueError, match=message):
        algorithm(**fixed, **alpha, num_updates=1, **option)
