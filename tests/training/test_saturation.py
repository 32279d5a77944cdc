"""A policy that only plays its bounds is said to, with the control by its name."""

import torch

from ivr.training.saturation import at_bounds
from tests.algos.algorithm_making import build, toy_batches


def test_a_policy_at_its_bounds_is_said_by_the_name_of_its_control():
    algorithm = build("bc", seeds=[0, 1])
    batch = toy_batches([0], range(1)).at(0).each(lambda part: part[0] if part.dim() else part)
    names = [f"valve_{i}" for i in range(batch.actions.shape[-1])]
    assert at_bounds(algorithm, batch, names, ["seed0", "seed1"]) == []
    with torch.no_grad():
        last = [p for name, p in algorithm.actor.named_parameters() if name.endswith("bias")][-1]
        last[1] = 50  # of the second member alone
    (said,) = at_bounds(algorithm, batch, names, ["seed0", "seed1"])
    assert said.startswith("the policy of seed1 acts at its bounds") and "valve_0 in 100%" in said
