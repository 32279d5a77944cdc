"""The blocks against torch.nn's, and what a token sees."""

import pytest
import torch
from torch import nn

from ivr import random
from ivr.nets.transformer import Block, DecisionTransformerNet

WIDTH, LENGTH, BATCH = 8, 6, 5
NARROW = 4
"""So narrow that its layers multiply in another order; see `LinearStack`."""


def generators(seeds):
    return [random.generator(seed, "test") for seed in seeds]


def as_torch_layer(block: Block, member: int) -> nn.TransformerEncoderLayer:
    """One member's block, by torch.nn."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, block.heads, 4 * WIDTH, 0.0, batch_first=True, norm_first=True
    )
    linears = {
        block.project_out: layer.self_attn.out_proj,
        block.widen: layer.linear1,
        block.narrow: layer.linear2,
    }
    for ours, theirs in linears.items():
        theirs.weight.data = ours.weight[member].T.clone()
        theirs.bias.data = ours.bias[member, 0].clone()
    layer.self_attn.in_proj_weight.data = block.project_in.weight[member].T.clone()
    layer.self_attn.in_proj_bias.data = block.project_in.bias[member, 0].clone()
    for ours, theirs in zip(block.norms, (layer.norm1, layer.norm2), strict=True):
        theirs.weight.data, theirs.bias.data = ours.scale[member, 0], ours.shift[member, 0]
    return layer


@pytest.mark.parametrize("heads", [1, 2])
def test_a_stack_of_blocks_computes_what_torchs_layer_would(heads):
    torch.manual_seed(0)
    block = Block(WIDTH, heads, generators([0, 1]))
    for parameter in block.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(2, BATCH, LENGTH, WIDTH)
    found = block(x.flatten(1, 2), LENGTH).view_as(x)
    causal = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    for member in range(2):
        expected = as_torch_layer(block, member)(x[member], src_mask=causal, is_causal=True)
        torch.testing.assert_close(found[member], expected)


def sequences(steps=LENGTH, seed=0):
    drawn = torch.Generator().manual_seed(seed)
    shape = (2, BATCH, steps)
    return (
        torch.randn(shape, generator=drawn),
        torch.randn(*shape, 3, generator=drawn),
        torch.randn(*shape, 2, generator=drawn),
        torch.randint(0, 10, shape, generator=drawn),
    )


def net(seeds=(0, 1)):
    made = DecisionTransformerNet(3, 2, WIDTH, 2, 2, 10, generators(seeds))
    for k, parameter in enumerate(made.parameters()):  # weights that matter, as after training
        for member, seed in enumerate(seeds):
            drawn = torch.Generator().manual_seed(100 * seed + k)
            parameter.data[member] += 0.3 * torch.randn(parameter[member].shape, generator=drawn)
    return made


@pytest.mark.parametrize("step", range(LENGTH))
def test_no_action_depends_on_what_comes_after_its_observation(step):
    """To the last bit; and each depends on all that comes before."""
    seen, model = sequences(), net()
    before = model(*seen)
    returns, observations, actions, times = (part.clone() for part in seen)
    actions[:, :, step] += 1
    after = model(returns, observations, actions, times)
    assert torch.equal(after[:, :, : step + 1], before[:, :, : step + 1])
    assert (after[:, :, step + 1 :] != before[:, :, step + 1 :]).any(-1).all()
    for part in (returns, observations):
        part[:, :, step] += 1
        after = model(returns, observations, actions, times)
        assert torch.equal(after[:, :, :step], before[:, :, :step])
        assert (after[:, :, step:] != before[:, :, step:]).any(-1).all()


def test_late_time_steps_share_the_last_embedding():
    *seen, times = sequences()
    model = net()
    late = torch.full_like(times, 9)
    assert torch.equal(model(*seen, late), model(*seen, late + 1000))
    assert not torch.equal(model(*seen, late), model(*seen, late - 1))


def test_a_member_is_its_own_seeds():
    seen = sequences()
    alone = net([1])(*(part[1:] for part in seen))
    torch.testing.assert_close(net()(*seen)[1:], alone)
    assert not torch.allclose(net()(*seen)[0], alone[0])


def test_a_dropped_token_is_not_seen():
    """Masks of 1 change nothing; a mask of 0 for the first token removes what it says."""
    returns, *others = sequences()
    model = net()
    keep = [torch.ones(2, BATCH, 3 * LENGTH, WIDTH) for _ in range(5)]
    assert torch.equal(model(returns, *others, keep), model(returns, *others))
    keep[0][:, :, 0] = 0
    dropped = model(returns, *others, keep)
    returns = returns.clone()
    returns[:, :, 0] += 1
    assert torch.equal(model(returns, *others, keep), dropped)


def test_a_narrow_transformer_acts():
    net = DecisionTransformerNet(3, 2, NARROW, 1, 1, 10, generators([0, 1]))
    steps = torch.arange(LENGTH).expand(2, BATCH, -1)
    actions = net(
        torch.zeros(steps.shape), torch.ones(*steps.shape, 3), torch.zeros(*steps.shape, 2), steps
    )
    assert actions.shape == (2, BATCH, LENGTH, 2) and actions.abs().max() < 1
