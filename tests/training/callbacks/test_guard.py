"""The first loss that is not finite, where networks step at different updates."""

from pathlib import Path

import pytest
import torch

from ivr.algos.engine.records import Record
from ivr.errors import UserError
from ivr.training.callbacks.guard import DivergenceGuard
from ivr.training.members import Member
from tests.algos.algorithm_making import build

FINE = torch.zeros(2)


def looked_at(losses):
    algorithm = build("td3bc", [0, 1])
    algorithm.updates_done, algorithm.records = 10, [Record.of(of) for of in losses]
    guard = DivergenceGuard([Member(0, None), Member(1, None)], Path("nowhere"))
    guard.on_train_batch_end(None, algorithm)


def test_a_loss_of_a_delayed_step_is_told_with_its_update():
    broken = torch.tensor([0.0, float("nan")])
    losses = [
        {"loss/actor": FINE, "loss/critic": FINE},
        {"loss/critic": FINE},
        {"loss/actor": broken, "loss/critic": broken},
    ]
    with pytest.raises(UserError, match=r"the actor loss of member seed1 is .* at update 10\."):
        looked_at(losses)
    losses[1]["loss/critic"] = broken
    with pytest.raises(UserError, match=r"the critic loss of member seed1 is .* at update 9\."):
        looked_at(losses)


def test_finite_losses_pass():
    looked_at([{"loss/actor": FINE, "loss/critic": FINE}, {"loss/critic": FINE}])
