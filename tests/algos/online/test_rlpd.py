"""What is RLPD's own beside a soft actor-critic."""

import torch

from tests.algos.algorithm_making import build, toy_batches


def test_the_entropy_is_held_at_half_of_what_soft_actor_critics_have():
    assert build("rlpd", [0]).target_entropy == -1.0  # of two actions
    assert build("rlpd", [0], target_entropy=-3.0).target_entropy == -3.0


def test_two_of_all_critics_are_drawn_however_small_the_batch(monkeypatch):
    algorithm = build("rlpd", [0], critics=10)
    drawn = []
    monkeypatch.setattr(algorithm, "minimise", lambda *given: drawn.append(given[-1]))
    for update in range(60):
        algorithm.noise.clock.fill_(update)
        algorithm.update_critic(toy_batches([0], range(1), size=1).at(0))
    assert set(torch.stack(drawn).topk(2, -1).indices.flatten().tolist()) == set(range(10))
