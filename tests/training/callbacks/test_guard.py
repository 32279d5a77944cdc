"""Members that diverge: found, frozen, reported; the others are what they would have been."""

import json
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from ivr.algos.engine.records import Record
from ivr.errors import UserError
from ivr.training.callbacks.guard import DivergenceGuard
from ivr.training.members import Member
from tests.algos.algorithm_making import build
from tests.running import train

FINE = torch.zeros(2)


def looked_at(losses):
    algorithm = build("td3bc", [0, 1])
    algorithm.updates_done, algorithm.records = 10, [Record.of(of) for of in losses]
    guard = DivergenceGuard([Member(0, None), Member(1, None)], Path("nowhere"))
    guard.on_train_batch_end(None, algorithm)
    return guard.diverged


def test_a_loss_of_a_delayed_step_is_reported_with_its_update():
    broken = torch.tensor([0.0, float("nan")])
    losses = [
        {"loss/actor": FINE, "loss/critic": FINE},
        {"loss/critic": FINE},
        {"loss/actor": broken, "loss/critic": broken},
    ]
    sound, diverged = looked_at(losses)
    assert sound is None and (diverged["term"], diverged["update"]) == ("actor loss", 10)
    losses[1]["loss/critic"] = broken
    sound, diverged = looked_at(losses)
    assert sound is None and (diverged["term"], diverged["update"]) == ("critic loss", 9)


def test_a_run_stops_when_no_member_is_left():
    broken = torch.tensor([float("inf"), float("nan")])
    with pytest.raises(UserError, match=r"the critic loss of member seed0 is .* at update 9\."):
        looked_at([{"loss/critic": broken}, {"loss/critic": broken}])


def test_a_metric_that_is_no_loss_may_be_infinite():
    assert looked_at([{"loss/critic": FINE, "ratio": FINE / 0}]) == [None, None]


def test_finite_losses_pass():
    looked_at([{"loss/actor": FINE, "loss/critic": FINE}, {"loss/critic": FINE}])


class Poison(pl.Callback):
    """Makes a parameter of some members infinite after an update, and keeps what they were."""

    def __init__(self, update: int, *members: int) -> None:
        self.update = update
        self.members = members
        self.before: dict[str, torch.Tensor] = {}

    def on_train_batch_end(self, trainer, module, *_):
        if trainer.global_step == self.update:
            self.before = {k: v.clone() for k, v in module.state_dict().items()}
            with torch.no_grad():
                for member in self.members:
                    next(module.parameters())[member].fill_(float("inf"))


WORDS = ("num_updates=40", "eval_every=20", "log_every=10", "seed=[0,1,2]", "alpha=1")


def last(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same(a, b, member: int) -> bool:
    """Whether a member has the same weights and moments to the last bit."""
    weights = all(
        torch.equal(a["state_dict"][k][member], b["state_dict"][k][member]) for k in a["state_dict"]
    )
    pairs = zip(a["optimizer_states"], b["optimizer_states"], strict=True)
    return weights and all(
        torch.equal(x["state"][i][moment][member], y["state"][i][moment][member])
        for x, y in pairs
        for i in x["state"]
        for moment in ("exp_avg", "exp_avg_sq")
    )


@pytest.mark.usefixtures("small_pointmaze")
def test_the_others_are_to_the_bit_what_they_would_have_been(tmp_path):
    train(tmp_path / "whole", *WORDS)
    poison = Poison(10, 1)
    with pytest.raises(
        UserError, match=r"seed 1 alpha 1 diverged at update .* other members finished"
    ):
        train(tmp_path / "one", *WORDS, callbacks=[poison])
    whole, one = last(tmp_path / "whole"), last(tmp_path / "one")
    assert same(whole, one, 0) and same(whole, one, 2) and not same(whole, one, 1)
    for name, weights in one["state_dict"].items():
        assert torch.equal(weights[1], poison.before[name][1]), "frozen as it was before"
    result = json.loads((tmp_path / "one" / "result.json").read_text())
    assert result["status"] == "finished" and result["updates_done"] == 40
    found = [member["diverged"] for member in result["members"]]
    assert found[0] is found[2] is None and 10 < found[1]["update"] <= 20
    rows = (tmp_path / "one" / "metrics.csv").read_text().splitlines()
    assert "40,seed1_alpha1.0,loss/value,nan" in rows
    # It stays frozen where the run is resumed.
    with pytest.raises(UserError, match="seed 1 alpha 1 diverged"):
        train(tmp_path / "one", *WORDS, "num_updates=60", "resume=auto")
    assert same(last(tmp_path / "one"), one, 1) and not same(last(tmp_path / "one"), one, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize("words", [("alpha=1",), ("algo=td3bc",)], ids=str)
def test_of_a_compiled_stack_too(tmp_path, words):
    given = (*WORDS[:-1], *words, "compile=true")
    train(tmp_path / "whole", *given)
    poison = Poison(10, 1)
    with pytest.raises(UserError, match=r"seed 1.* diverged at update .* other members finished"):
        train(tmp_path / "one", *given, callbacks=[poison])
    whole, one = last(tmp_path / "whole"), last(tmp_path / "one")
    assert same(whole, one, 0) and same(whole, one, 2) and not same(whole, one, 1)
    for name, weights in one["state_dict"].items():
        assert torch.equal(weights[1], poison.before[name][1]), "frozen as it was before"


@pytest.mark.usefixtures("small_pointmaze")
def test_parameters_that_are_infinite_after_the_last_update_are_no_result(tmp_path):
    class LastStep(pl.Callback):
        def on_train_batch_start(self, trainer, module, *_):
            module.learning_rates[module.trained_networks[-1]] = float("inf")

    told = r"parameter .* of member seed0.* is not finite at update 1"
    with pytest.raises(UserError, match=told):
        train(tmp_path, "num_updates=1", "eval_every=1", callbacks=[LastStep()])
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "failed"
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()
