"""What every in-sample actor-critic shares."""

import torch

from tests.algos.algorithm_making import build, toy_batches


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
