"""The brake: a member whose training returns fall goes back, and the others do not."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ivr.data.serving.schedule import Schedule
from ivr.errors import UserError
from ivr.online.callback import Online
from ivr.online.episodes import WINDOW, Episode
from tests.algos.algorithm_making import build
from tests.online.collecting import collector

BLOCK = 5
SCHEDULE = Schedule(0, 40, 1000, BLOCK, 1, (0.5, 0.25))
# J_0 = 5, SE = 0.5, so that with a range of 10 the floor is 5 - 1 - 1 = 3.
WARMUP = [
    Episode(10 * i, 10, total, 0.0, math.nan, False) for i, total in enumerate((4, 5, 6, 5), 1)
]
FLOOR = 5 - 2 * math.sqrt(2 / 3) / 2 - 1


class Run:
    """Two members, their callback, and time that is made to pass."""

    def __init__(self) -> None:
        self.module = build("remodel", [0, 1])
        self.collector = collector()
        self.collector.episodes = [list(WARMUP), list(WARMUP)]
        self.online = Online(
            self.collector, SCHEDULE, spread=10.0, brake=True, labels=["a", "b"], every=10**9
        )
        self.trainer: Any = SimpleNamespace(
            optimizers=self.module.configure_optimizers(), global_step=0, max_steps=10**6
        )
        self.online.on_train_start(self.trainer, self.module)

    def play(self, *totals: tuple[float, float]) -> None:
        """Episodes of both members, the same number, and the block of updates after them."""
        for pair in totals:
            for found, total in zip(self.collector.episodes, pair, strict=True):
                found.append(Episode(found[-1].steps + 10, 10, total, 0.0, math.nan, False))
        self.trainer.global_step += BLOCK
        self.online.on_train_batch_end(self.trainer, self.module)

    def train(self) -> None:
        with torch.no_grad():
            for parameter in self.module.parameters():
                parameter.add_(0.1)

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.module.state_dict().items()}


def test_a_member_that_falls_goes_back_to_where_it_did_not():
    run = Run()
    run.train()
    run.play(*[(5.0, 5.0)] * WINDOW)
    good = run.weights()
    run.train()
    fallen = run.weights()
    run.play(*[(FLOOR - 0.1, 5.0)] * WINDOW)
    assert run.online.brakes == [1, 0]
    now = run.weights()
    for name, tensor in now.items():
        if name == "multiplier.log":
            assert float(tensor[0]) == pytest.approx(float(fallen[name][0]) + math.log(2))
        else:
            assert torch.equal(tensor[0], good[name][0]), name
        assert torch.equal(tensor[1], fallen[name][1]), name


@pytest.mark.parametrize(
    ("total", "episodes"), [(FLOOR + 0.1, WINDOW), (FLOOR - 0.1, WINDOW - 1), (100.0, WINDOW)]
)
def test_it_goes_on_where_it_is_above_the_floor_or_too_little_is_known(total, episodes):
    run = Run()
    run.play(*[(5.0, 5.0)] * WINDOW)
    run.train()
    before = run.weights()
    run.play(*[(total, total)] * episodes)
    assert run.online.brakes == [0, 0]
    assert all(torch.equal(before[name], tensor) for name, tensor in run.weights().items())


def test_it_goes_back_as_soon_as_its_last_ten_are_below_the_floor():
    run = Run()
    for _ in range(WINDOW):
        run.play((5.0, 5.0))
    bad = 0
    while run.online.brakes == [0, 0]:
        run.play((0.0, 5.0))
        bad += 1
    means = [(5.0 * (WINDOW - n)) / WINDOW for n in (bad - 1, bad)]
    assert means[0] >= FLOOR > means[1] and run.online.brakes == [1, 0]


def test_the_offline_policy_is_never_put_back_for_its_own_bad_luck():
    """Its last ten episodes in the warm-up may be worse than all of them are."""
    run = Run()
    run.collector.episodes = [[*WARMUP, *[e._replace(total=0.0) for e in WARMUP] * 3]] * 2
    run.train()
    run.online._judge(run.module)
    assert run.online.brakes == [0, 0]


def test_it_has_ten_episodes_to_recover_before_it_goes_back_again():
    run = Run()
    run.play(*[(5.0, 5.0)] * WINDOW)
    run.play(*[(0.0, 5.0)] * WINDOW)
    run.play(*[(0.0, 5.0)] * (WINDOW - 1))
    assert run.online.brakes == [1, 0]
    run.play((0.0, 5.0))
    assert run.online.brakes == [2, 0]


def test_its_state_is_all_that_it_knows():
    run = Run()
    run.train()
    run.play(*[(5.0, 5.0)] * WINDOW)
    run.play(*[(0.0, 5.0)] * WINDOW)
    state = run.online.state_dict()
    again = Run()
    again.online.load_state_dict(state)
    again.online.on_train_start(again.trainer, again.module)
    again.module.load_state_dict(run.module.state_dict())
    for both in (run, again):
        both.train()
        both.play(*[(0.0, 5.0)] * WINDOW)
    assert again.online.brakes == run.online.brakes == [2, 0]
    for name, tensor in run.weights().items():
        assert torch.equal(tensor, again.weights()[name]), name


@pytest.mark.parametrize("key", ["collector", "brakes", "judged", "put_back", "shown", "snapshot"])
@pytest.mark.parametrize("value", [None, "x", [1, -1], [[]], {"a": 1}])
def test_a_damaged_state_is_one_message(key, value):
    run = Run()
    state = run.online.state_dict()
    with pytest.raises(UserError, match="the checkpoint is damaged"):
        Run().online.load_state_dict({**state, key: value})


def test_a_run_with_nothing_left_to_train_keeps_the_snapshot_that_it_was_loaded_with():
    run = Run()
    run.play((5, 5), (5, 5))
    saved = run.online.state_dict()
    assert saved["snapshot"]
    again = Run().online.__class__(
        collector(), SCHEDULE, spread=10.0, brake=True, labels=["a", "b"], every=10**9
    )
    again.load_state_dict(saved)
    kept = again.state_dict()["snapshot"]
    assert kept.keys() == saved["snapshot"].keys()
    assert all(torch.equal(kept[name], saved["snapshot"][name]) for name in kept)
