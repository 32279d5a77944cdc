"""Stacks of networks against one network at a time, written with torch.nn."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from ivr import random
from ivr.nets.actors import GaussianActor
from ivr.nets.critics import StateValue, TwinCritic
from ivr.nets.mlp import TORCH_GAIN, LinearStack


def generators(seeds, purpose="test"):
    return [random.generator(seed, purpose) for seed in seeds]


def plain_mlp(stack, *index):
    """The network at `index` of a stack, as torch.nn layers."""
    layers = []
    for i, linear in enumerate(stack.layers):
        weight = linear.weight[index]
        layer = nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = weight.T.clone(), linear.bias[index][0].clone()
        layers.append(layer)
        if i < len(stack.layers) - 1:
            if not isinstance(stack.norms[i], nn.Identity):
                layers.append(nn.LayerNorm(weight.shape[1], eps=1e-6))
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def test_a_stack_computes_what_each_of_its_networks_would():
    torch.manual_seed(0)
    observations, actions = torch.randn(3, 5, 4), torch.randn(3, 5, 2)
    value = StateValue(4, (8, 8), generators([0, 1, 2]), layer_norm=True)
    critic = TwinCritic(4, 2, (8, 8), generators([0, 1, 2]))
    for k in range(3):
        expected = plain_mlp(value.mlp, k)(observations[k]).squeeze(-1)
        torch.testing.assert_close(value(observations)[k], expected)
        for head in range(2):
            both = torch.cat((observations[k], actions[k]), -1)
            expected = plain_mlp(critic.mlp, k, head)(both).squeeze(-1)
            torch.testing.assert_close(critic(observations, actions)[k, head], expected)


def test_initial_weights_are_a_members_own_and_orthogonal():
    together = TwinCritic(4, 2, (8, 8), generators([7, 3]))
    alone = TwinCritic(4, 2, (8, 8), generators([3]))
    for a, b in zip(together.parameters(), alone.parameters(), strict=True):
        assert torch.equal(a[1], b[0])
    square = together.mlp.layers[1].weight[0, 0]
    torch.testing.assert_close(square @ square.T, 2 * torch.eye(8), atol=1e-5, rtol=0)
    assert not torch.equal(together.mlp.layers[0].weight[0, 0], together.mlp.layers[0].weight[0, 1])


def test_the_last_layer_alone_has_a_gain_of_its_own():
    plain, small = (TwinCritic(4, 2, (8, 8), generators([3]), *gain) for gain in ((), (0.01,)))
    for i in (0, 1):
        assert torch.equal(plain.mlp.layers[i].weight, small.mlp.layers[i].weight)
    last = plain.mlp.layers[2].weight, small.mlp.layers[2].weight
    torch.testing.assert_close(last[1], last[0] * 0.01 / 2**0.5)


def test_the_gain_of_torch_is_the_size_of_its_own_initial_weights():
    torch.manual_seed(0)
    ours = LinearStack(256, 64, (1,), generators([3]), TORCH_GAIN).weight[0].norm(dim=0)
    torch.testing.assert_close(ours, nn.Linear(256, 64).weight.norm(dim=1), rtol=0.15, atol=0)


def test_log_density_is_that_of_a_gaussian_around_tanh():
    torch.manual_seed(0)
    actor = GaussianActor(4, 2, (8,), generators([0, 1]))
    actor.log_std.data = torch.tensor([[[-0.5, 1.0]], [[-9.0, 9.0]]])
    observations, actions = torch.randn(2, 6, 4), torch.rand(2, 6, 2) * 2 - 1
    for k, log_std in enumerate([(-0.5, 1.0), (-5.0, 2.0)]):  # the second is clipped
        mean = torch.tanh(plain_mlp(actor.mlp, k)(observations[k]))
        expected = Independent(Normal(mean, torch.tensor(log_std).exp()), 1).log_prob(actions[k])
        torch.testing.assert_close(actor.log_prob(observations, actions)[k], expected)


def test_dropout_masks_silence_units():
    actor = GaussianActor(4, 2, (8, 8), generators([0]))
    observations = torch.randn(1, 3, 4)
    silent = [torch.zeros(1, 3, 8), torch.zeros(1, 3, 8)]
    assert torch.equal(actor(observations, silent), torch.zeros(1, 3, 2))
    assert not torch.equal(actor(observations), torch.zeros(1, 3, 2))


@pytest.mark.parametrize("purpose", ["value", "critic"])
def test_purposes_draw_different_weights(purpose):
    one = StateValue(4, (8,), generators([0], purpose), False).mlp.layers[0].weight
    other = StateValue(4, (8,), generators([0], "actor"), False).mlp.layers[0].weight
    assert not torch.equal(one, other)
