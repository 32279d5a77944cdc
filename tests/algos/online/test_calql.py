"""Cal-QL online: what its critic is pushed towards, by hand."""

import pytest
import torch

from ivr.algos.online.calql import CalibratedFromOffline
from ivr.losses.conservative import action_gap
from ivr.losses.critic import td_loss, td_target
from tests.algos.algorithm_making import build, toy_batches, train

SEEDS = [0, 1]


def made(**options) -> CalibratedFromOffline:
    algorithm = build("calql-online", SEEDS, **options)
    assert isinstance(algorithm, CalibratedFromOffline)
    return algorithm


def penalty(algorithm: CalibratedFromOffline, returns: float) -> torch.Tensor:
    batch = toy_batches(SEEDS, range(1)).at(0)
    batch = batch._replace(discounted_returns_to_go=torch.full_like(batch.rewards, returns))
    return algorithm.conservative_loss(batch, algorithm.draws(batch))[0]


def test_below_all_returns_it_is_the_plain_gap_beside_the_td_error():
    """Every term by its equation, one action at a time, without the shared code."""
    algorithm = made(gap_weight=0.7)
    batch = toy_batches(SEEDS, range(1)).at(0)
    draws = algorithm.draws(batch)
    actor, critic, states = algorithm.actor, algorithm.critic, batch.observations
    proposed, density = [], []
    for even in draws.even.unbind(1):
        proposed.append(critic(states, even))
        density.append(torch.full_like(batch.rewards, 0.25).log())  # 1 / (2 * 2)
    for noise, place in ((draws.here, states), (draws.there, batch.next_observations)):
        for one in noise.unbind(1):
            action = actor.sample(place, one)
            proposed.append(critic(states, action))
            density.append(actor.log_prob(place, action))
    q = critic(states, batch.actions)
    gap = action_gap(q, torch.stack(proposed, 2), torch.stack(density, 1))
    following = actor.sample(batch.next_observations, draws.target[:, 0])
    next_q = algorithm.target_critic(batch.next_observations, following).amin(1)
    target = td_target(batch.rewards, batch.terminated, next_q, 0.99)
    expected = td_loss(q, target) + 0.7 * gap.sum(1)
    torch.testing.assert_close(penalty(algorithm, -torch.inf), expected)


def test_above_its_returns_the_critic_is_pushed_down_and_below_them_it_is_not():
    """With returns above every Q, the policy's actions have no part in the gradient."""
    algorithm, zeroed = made(), made()
    zeroed.draws = lambda batch: algorithm.draws(batch)._replace(  # type: ignore[method-assign]
        here=torch.zeros(2, 3, 64, 2), there=torch.zeros(2, 3, 64, 2)
    )

    def gradient(made: CalibratedFromOffline, returns: float) -> torch.Tensor:
        parameters = list(made.critic.parameters())
        found = torch.autograd.grad(penalty(made, returns).sum(), parameters)
        return torch.cat([g.flatten() for g in found])

    pushed = [gradient(one, -torch.inf) for one in (algorithm, zeroed)]
    assert (pushed[0] - pushed[1]).abs().max() > 1e-3  # other actions, another gradient
    held = [gradient(one, 50.0) for one in (algorithm, zeroed)]
    torch.testing.assert_close(*held)


def test_it_begins_with_the_policy_and_the_critics_of_the_offline_run():
    offline = build("iql", SEEDS)
    train(offline, 5)
    online = made()
    online.begin_with(offline)
    for name in ("actor", "critic", "target_critic"):
        ours, theirs = (one.get_submodule(name).state_dict() for one in (online, offline))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize(
    ("case", "says"), [("calql", "give online=continue"), ("bc", "critic"), ("td3bc", "Gaussian")]
)
def test_what_it_cannot_begin_with_is_said(case, says):
    with pytest.raises(ValueError, match=says):
        made().begin_with(build(case, SEEDS))
