"""Batch-constrained Q-learning: one update written out, and what its policy may do."""

import pytest
import torch
from torch.nn import functional

from ivr.algos.bcq import BatchConstrainedQLearning
from tests.algos.algorithm_making import build, toy_batches, train
from tests.algos.test_relatives import stepped
from tests.algos.two_modes import SIZES, STATES, fit, q_of

BATCH = toy_batches([4], range(1)).at(0)
S, A, R, D, S2 = BATCH[:5]


def test_one_update_written_out():
    """φ 0.05, λ 0.75, n 10, learning rates 1e-3: the VAE, then Q with its proposals, then ξ."""
    algorithm, after = build("bcq", [4]), build("bcq", [4])
    train(after, 1)
    losses = {k: v.item() for k, v in after.last_metrics.items() if k.startswith("loss/")}
    one, many = torch.empty(1, 64, 4), torch.empty(1, 640, 4)
    posterior, latents = (algorithm.noise.normal(name, one) for name in ("vae", "proposals"))
    next_latents = algorithm.noise.normal("next_proposals", many).clamp(-0.5, 0.5)

    def bound(vae):
        mean, log_std = vae.encoder(torch.cat((S, A), -1)).split(4, -1)
        decoded = torch.tanh(vae.decoder(torch.cat((S, mean + log_std.exp() * posterior), -1)))
        normal = torch.distributions.Normal(mean, log_std.exp())
        kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1))
        return functional.mse_loss(decoded, A) + 0.5 * kl.mean()

    vae = stepped(algorithm.vae, bound, lr=1e-3)

    def act(actor, states, latents):
        proposed = torch.tanh(vae.decoder(torch.cat((states, latents), -1)))
        correction = torch.tanh(actor.mlp(torch.cat((states, proposed), -1)))
        return (proposed + 0.05 * correction).clamp(-1, 1)

    with torch.no_grad():
        values = []
        for i in range(10):  # the i-th proposal of every state
            proposed = act(algorithm.actor, S2, next_latents[:, 64 * i : 64 * (i + 1)])
            q1, q2 = algorithm.critic(S2, proposed).unbind(1)
            values.append(0.75 * torch.minimum(q1, q2) + 0.25 * torch.maximum(q1, q2))
        target = R + 0.99 * (1 - D) * torch.stack(values).amax(0)

    def td(critic):
        return sum(functional.mse_loss(q, target) for q in critic(S, A).unbind(1))

    critic = stepped(algorithm.critic, td, lr=1e-3)
    q1 = critic(S, act(algorithm.actor, S, latents.clamp(-0.5, 0.5)))[:, 0]
    expected = {
        "loss/vae": bound(algorithm.vae).item(),
        "loss/critic": td(algorithm.critic).item(),
        "loss/actor": -q1.mean().item(),
    }
    assert losses == {k: pytest.approx(v, rel=1e-3, abs=1e-4) for k, v in expected.items()}


def test_both_targets_follow():
    before, after = build("bcq", [4]), build("bcq", [4])
    train(after, 1)
    for name in ("critic", "actor"):
        old, new, target = (
            torch.cat([p.flatten() for p in network.parameters()])
            for network in (
                before.get_submodule(name),
                after.get_submodule(name),
                after.get_submodule(f"target_{name}"),
            )
        )
        assert not torch.equal(old, new)
        torch.testing.assert_close(target, 0.995 * old + 0.005 * new)


def test_the_policy_is_the_best_corrected_proposal():
    algorithm = build("bcq", [0, 1])
    train(algorithm, 2)
    states = torch.linspace(-1, 1, 2 * 7 * 3).view(2, 7, 3)
    proposals = [
        algorithm.actor(states, algorithm.vae.propose(states, noise))
        for noise in algorithm.candidate_noise.first(states).unbind(1)
    ]
    assert len(proposals) == 100
    q = torch.stack([algorithm.critic(states, actions)[:, 0] for actions in proposals])
    index, chosen = q.argmax(0), algorithm.mode(states)
    assert len(index.unique()) > 1
    for member in range(2):
        for n in range(7):
            expected = proposals[index[member, n]][member, n]
            torch.testing.assert_close(chosen[member, n], expected)


@pytest.mark.parametrize(("phi", "low", "high"), [(0.05, 0.5, 0.75), (2.0, 0.95, 1.0)])
def test_it_stays_in_the_support_where_q_leads_out_of_it(phi, low, high):
    """Of actions near ±0.6; a perturbation that may go anywhere follows Q to the bound."""
    algorithm = BatchConstrainedQLearning(
        seeds=[0], num_updates=150, hidden=(32, 32), vae_hidden=(32, 32), vae_lr=4e-3,
        max_perturbation=phi, critic_lr=3e-3, actor_lr=3e-3, **SIZES,
    )  # fmt: skip
    fit(algorithm)
    assert q_of(algorithm.critic, 1.0) > q_of(algorithm.critic, 0.6) + 0.1
    acted = algorithm.act(STATES)
    assert low < acted.min() and acted.max() <= high


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"max_perturbation": -0.1}, "max_perturbation=-0.1"),
        ({"min_weight": 1.5}, "min_weight=1.5"),
        ({"candidates": 0}, "candidates=0"),
        ({"test_candidates": 0}, "test_candidates=0"),
        ({"kl_weight": -1.0}, "kl_weight=-1.0"),
        ({"target_tau": 0.0}, "target_tau=0.0"),
    ],
)
def test_an_option_outside_its_range_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        BatchConstrainedQLearning(seeds=[0], num_updates=1, **SIZES, **option)
