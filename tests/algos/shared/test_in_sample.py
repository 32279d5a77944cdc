"""What every in-sample actor-critic shares."""

import pytest
import torch

from tests.algos.algorithm_making import build, toy_batches, train


def test_no_action_is_imitated_with_more_than_the_clip():
    batch = toy_batches([0, 1], range(1)).at(0)
    free, clipped = (build("sql", [0, 1], weight_clip=clip) for clip in (None, 0.1))
    q = free.data_q(batch)
    loss, metrics = clipped.actor_loss(batch, q, None)
    weight = free.actor_loss(batch, q, None)[1]["histogram/actor_weight"]
    assert (weight.amax(-1) > 0.1).all()
    assert torch.equal(metrics["histogram/actor_weight"], weight.clamp(max=0.1))
    log_prob = free.actor.log_prob(batch.observations, batch.actions)
    torch.testing.assert_close(loss, -(weight.clamp(max=0.1) * log_prob).mean(-1))


def test_after_value_updates_the_actor_alone_is_trained_and_v_and_q_keep_their_last_bits():
    ended, further = (
        build("sql", [0, 1], n, value_updates=4, actor_lr_cosine=False) for n in (4, 8)
    )
    train(ended, 4)
    train(further, 8)
    for name in ("value", "critic", "target_critic"):
        before, after = ended.get_submodule(name), further.get_submodule(name)
        torch.testing.assert_close(after.state_dict(), before.state_dict(), rtol=0, atol=0)
    assert not torch.equal(ended.actor.log_std, further.actor.log_std)
    assert further.networks_due(3) == ("value", "actor", "critic")
    assert further.networks_due(4) == ("actor",)
    assert "loss/actor" in further.last_metrics and "loss/value" not in further.last_metrics
    with pytest.raises(ValueError, match="value_updates=0 must lie above 0"):
        build("sql", [0], value_updates=0)
