"""The target of fitted Q-evaluation, by hand."""

import pytest
import torch

from ivr.losses.evaluation import evaluation_target


def test_each_critic_has_a_target_of_its_own_within_what_can_be_attained():
    """1 + 0.5 * (4, 8) = 3 and 5; the second transition ends: 2 for both.

    Cut to [2.5, 4] it is 3, 4 and 2.5: no minimum is taken over the critics.
    """
    rewards, terminated = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])
    next_q = torch.tensor([[[4.0, 9.0], [8.0, 9.0]]])
    found = evaluation_target(rewards, terminated, next_q, 0.5, (-9.0, 9.0))
    assert found.tolist() == [[[3, 2], [5, 2]]]
    cut = evaluation_target(rewards, terminated, next_q, 0.5, (2.5, 4.0))
    assert cut.tolist() == [[[3, 2.5], [4, 2.5]]]
    with pytest.raises(AssertionError):
        evaluation_target(rewards, terminated, next_q[0], 0.5, (-9.0, 9.0))
