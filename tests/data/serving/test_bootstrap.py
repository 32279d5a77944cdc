"""Bootstrap weights of episodes."""

import math

import torch

from ivr.data.serving.bootstrap import bootstrap_weights

EPISODES = 20_000


def test_they_are_poisson_numbers_of_mean_1_and_no_two_critics_have_the_same():
    weights = bootstrap_weights([0, 1], EPISODES, 3)
    assert weights.shape == (2, EPISODES, 3) and torch.equal(weights, weights.round())
    flat = weights.movedim(1, -1).flatten(0, 1)  # (6, E)
    # The standard error of the mean is 1 / sqrt(E), that of the variance sqrt(3 / E).
    assert (flat.mean(-1) - 1).abs().max() < 5 / math.sqrt(EPISODES)
    assert (flat.var(-1) - 1).abs().max() < 5 * math.sqrt(3 / EPISODES)
    # P(0) = P(1) = 1/e, P(2) = 1/(2e).
    for n, chance in ((0, 1), (1, 1), (2, 0.5)):
        share = (flat == n).double().mean(-1)
        assert (share - chance / math.e).abs().max() < 0.02
    correlated = torch.corrcoef(flat) - torch.eye(6)
    assert correlated.abs().max() < 5 / math.sqrt(EPISODES)


def test_a_members_are_those_of_its_seed_alone():
    together, alone = bootstrap_weights([3, 7], 50, 2), bootstrap_weights([7], 50, 2)
    assert torch.equal(together[1:], alone)


def test_of_few_episodes_none_is_left_out_of_a_critic_altogether():
    """Of one episode e^-1 of the critics would never be trained."""
    weights = bootstrap_weights(list(range(20)), 1, 8)
    assert (weights > 0).all() and len(weights.unique()) > 2
    assert (bootstrap_weights(list(range(20)), 2, 8).sum(1) > 0).all()
