"""What is RLPD's own beside a soft actor-critic."""

import math

import pytest
import torch

from tests.algos.algorithm_making import build, toy_batches, train
from tests.running import composed


def test_the_entropy_is_held_at_half_of_what_soft_actor_critics_have():
    assert build("rlpd", [0]).target_entropy == -1.0  # of two actions
    assert build("rlpd", [0], target_entropy=-3.0).target_entropy == -3.0


def test_of_several_updates_a_step_the_actor_makes_the_last():
    """Algorithm 1: G steps of the critics, then one of the actor and the temperature."""
    algorithm = build("rlpd", [0], policy_delay=4)
    due = [algorithm.networks_due(update) for update in range(8)]
    assert due == 2 * [*3 * [("critic",)], ("critic", "actor", "temperature")]
    train(algorithm, 8)
    steps = dict(zip(algorithm.trained_networks, algorithm.optimizers(), strict=True))
    taken = {name: {float(s["step"]) for s in o.state.values()} for name, o in steps.items()}
    assert taken == {"critic": {8}, "actor": {2}, "temperature": {2}}
    assert algorithm.trainer.global_step == 8
    options = composed(("online=rlpd", "updates_per_step=20"), "finetune").online
    assert options.policy_delay == 20


def test_the_temperature_is_trained_by_itself_and_not_by_its_logarithm():
    algorithm = build("rlpd", [0])
    with torch.no_grad():
        algorithm.temperature.log.fill_(math.log(0.25))
    loss, _ = algorithm.temperature_loss(torch.tensor([3.0]))
    (slope,) = torch.autograd.grad(loss.sum(), [algorithm.temperature.log])
    assert loss.item() == pytest.approx(0.25 * (3 + 1)) and slope.item() == pytest.approx(1.0)


def test_two_of_all_critics_are_drawn_however_small_the_batch(monkeypatch):
    algorithm = build("rlpd", [0], critics=10)
    drawn = []
    monkeypatch.setattr(algorithm, "minimise", lambda *given: drawn.append(given[-1]))
    for update in range(60):
        algorithm.noise.clock.fill_(update)
        algorithm.update_critic(toy_batches([0], range(1), size=1).at(0))
    assert set(torch.stack(drawn).topk(2, -1).indices.flatten().tolist()) == set(range(10))
