"""What losses of return are measured by, whatever the task pays."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ivr.config.online.origin import Origin

WALKS = [3.0, 40.0]  # data that go on at the goal add up to more than an episode can


@pytest.mark.parametrize(
    ("metric", "reference", "paid", "returns", "spread"),
    [
        ("success", None, [0, 1], WALKS, 1.0),
        ("success", None, [0, 0], [0.0, 0.0], 1.0),
        ("success", None, [-2.5, 0], [-300.0, -20.0], 280.0),
        ("success", (-500.0, 0.0), [-2.5, 0], [-300.0, -20.0], 500.0),
        ("return", (-20.0, 3000.0), [0, 5], [100.0, 200.0], 3020.0),
        ("return", None, [0, 1], WALKS, 37.0),
    ],
)
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (10.0, -1.0), (1 / 3, -0.1)])
def test_the_range_of_returns(metric, reference, paid, returns, spread, scale, shift):
    rewards = torch.tensor(paid, dtype=torch.float32) * scale + shift
    info = SimpleNamespace(reward_scale=scale, reward_shift=shift)
    data: Any = SimpleNamespace(
        training=SimpleNamespace(
            info=info, rewards=rewards, episode_returns=torch.tensor(returns, dtype=torch.float64)
        )
    )
    task: Any = SimpleNamespace(metric=metric, reference=reference)
    assert Origin({}, None, False, 0, data, task).spread == pytest.approx(spread)
