"""Mildly Conservative Q-learning: one update written out, and what it makes of unseen actions."""

import pytest
import torch
from torch.nn import functional

from ivr.algos.mcq import MildlyConservativeQLearning
from tests.algos.algorithm_making import build, toy_batches, train
from tests.algos.test_relatives import stepped
from tests.algos.two_modes import SIZES, fit, q_of

BATCH = toy_batches([4], range(1)).at(0)
S, A, R, D, S2 = BATCH[:5]


def squashed(actor, states, noise):
    """Actions of the policy and their log-densities, by torch's own distributions."""
    mean, log_std = actor.gaussian(states)
    u = mean + log_std.exp() * noise
    normal = torch.distributions.Normal(mean, log_std.exp())
    policy = torch.distributions.TransformedDistribution(
        normal, torch.distributions.TanhTransform(cache_size=1)
    )
    actions = torch.tanh(u)
    return actions, (policy.log_prob(actions)).sum(-1)


@pytest.mark.parametrize("one_sided", [False, True])
def test_one_update_written_out(one_sided):
    """λ 0.9, N 10: the VAE, the policy, its temperature, Q with the new policy."""
    algorithm, after = (build("mcq", [4], one_sided=one_sided) for _ in range(2))
    train(after, 1)
    losses = {k: v.item() for k, v in after.last_metrics.items() if k.startswith("loss/")}

    def drawn(purpose, *shape):
        return algorithm.noise.normal(purpose, torch.empty(1, *shape))

    def bound(vae):
        mean, log_std = vae.encoder(torch.cat((S, A), -1)).split(4, -1)
        latents = mean + log_std.exp() * drawn("vae", 64, 4)
        decoded = torch.tanh(vae.decoder(torch.cat((S, latents), -1)))
        normal = torch.distributions.Normal(mean, log_std.exp())
        kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1))
        # The authors' sums over two actions and four latents, halved.
        return (((decoded - A) ** 2).sum(-1) + kl.sum(-1)).mean() / 2

    def improvement(actor):
        actions, log_prob = squashed(actor, S, drawn("policy", 64, 2))
        return (log_prob - torch.minimum(*algorithm.critic(S, actions).unbind(1))).mean()

    vae = stepped(algorithm.vae, bound, lr=1e-3)
    actor = stepped(algorithm.actor, improvement, lr=algorithm.learning_rates["actor"])
    _, log_prob = squashed(algorithm.actor, S, drawn("policy", 64, 2))
    # log(lambda) of entropy less its target, -2; Adam's first step is the learning rate.
    slope = (-log_prob.mean() + 2).sign()
    temperature = torch.exp(-algorithm.learning_rates["temperature"] * slope)
    with torch.no_grad():
        next_actions, next_log_prob = squashed(actor, S2, drawn("next_policy", 64, 2))
        next_q = torch.minimum(*algorithm.critic(S2, next_actions).unbind(1))
        target = R + 0.99 * (1 - D) * (next_q - temperature * next_log_prob)
        both = torch.cat((S, S2), 1)
        unseen, _ = squashed(actor, both, drawn("unseen", 128, 2))
        latents = drawn("proposals", 1280, 4).clamp(-0.5, 0.5).view(1, 10, 128, 4)
        q1, q2 = zip(
            *(algorithm.critic(both, vae.decode(both, z)).unbind(1) for z in latents.unbind(1)),
            strict=True,
        )
        pseudo = torch.minimum(torch.stack(q1).amax(0), torch.stack(q2).amax(0))
    critic_loss = torch.zeros(())
    for q, policy_q in zip(
        algorithm.critic(S, A).unbind(1), algorithm.critic(both, unseen).unbind(1), strict=True
    ):
        beyond = policy_q - pseudo
        beyond = (torch.relu(beyond) if one_sided else beyond).square().mean()
        critic_loss = critic_loss + 0.9 * functional.mse_loss(q, target) + 0.1 * beyond
    expected = {
        "loss/vae": bound(algorithm.vae).item(),
        "loss/actor": improvement(algorithm.actor).item(),
        "loss/temperature": 0.0,  # log(1)
        "loss/critic": critic_loss.item(),
    }
    assert losses == {k: pytest.approx(v, rel=1e-3, abs=1e-4) for k, v in expected.items()}


def test_the_log_std_is_the_networks_own_between_minus_5_and_2():
    algorithm = build("mcq", [4])
    last = algorithm.actor.mlp.layers[-1]
    for bias, expected in ((0.0, 0.0), (-9.0, -5.0), (9.0, 2.0)):
        torch.nn.init.zeros_(last.weight), torch.nn.init.constant_(last.bias, bias)
        assert (algorithm.actor.gaussian(S)[1] == expected).all()


def test_pseudo_targets_are_never_above_the_best_proposal():
    algorithm = build("mcq", [0, 1])
    train(algorithm, 5)
    states, latents = torch.randn(2, 9, 3), torch.randn(2, 90, 4)
    pseudo = algorithm.pseudo_targets(states, latents)
    best = torch.stack(
        [
            algorithm.target_critic(states, algorithm.vae.propose(states, z)).amax(1)
            for z in latents.view(2, 10, 9, 4).unbind(1)
        ]
    ).amax(0)
    assert pseudo.shape == (2, 9) and (pseudo <= best + 1e-5).all()


@pytest.mark.parametrize(("td_weight", "low", "high"), [(0.7, 0.5, 0.7), (1.0, 0.75, 1.3)])
def test_unseen_actions_are_worth_the_best_of_the_data(td_weight, low, high):
    """The data know 0.6; a critic of the data alone believes that 1 is worth more."""
    algorithm = MildlyConservativeQLearning(
        seeds=[0], num_updates=150, hidden=(32, 32), vae_hidden=(32, 32), td_weight=td_weight,
        kl_weight=0.5, vae_lr=4e-3, critic_lr=3e-3, actor_lr=3e-3, target_tau=0.05, **SIZES,
    )  # fmt: skip
    fit(algorithm)
    assert q_of(algorithm.critic, 0.6) == pytest.approx(0.6, abs=0.1)
    assert low < q_of(algorithm.critic, 1.0) < high


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"td_weight": 0.0}, "td_weight=0.0"),
        ({"td_weight": 1.5}, "td_weight=1.5"),
        ({"candidates": 0}, "candidates=0"),
        ({"kl_weight": -1.0}, "kl_weight=-1.0"),
    ],
)
def test_an_option_outside_its_range_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        MildlyConservativeQLearning(seeds=[0], num_updates=1, **SIZES, **option)
