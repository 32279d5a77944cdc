"""Calibrated Q-learning (Nakamoto et al., NeurIPS 2023), its offline part.

CQL whose gap sees max(Q(s, a_j), V_mu(s)) at the policy's actions (equation 5.1): they are pushed
down no further than to what the data's policy got. V_mu(s) is the return to go of the data's own
trajectory.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ivr.algos.cql import ConservativeQLearning
from ivr.losses.conservative import calibrated
from ivr.types import Batch, Needs


class CalibratedQLearning(ConservativeQLearning):
    """CQL that stays above the data's returns; see `ConservativeQLearning` for its options."""

    @classmethod
    def needs(cls, options: Mapping[str, Any]) -> Needs:
        """Returns to go."""
        return Needs(return_discount=options["discount"])

    def compared(self, batch: Batch, proposed: Tensor) -> Tensor:
        """Q at even actions, and the greater of Q and the return to go at the policy's."""
        assert batch.discounted_returns_to_go is not None
        even, policy = torch.split(proposed, [self.proposals, 2 * self.proposals], 2)
        return torch.cat((even, calibrated(policy, batch.discounted_returns_to_go)), 2)
