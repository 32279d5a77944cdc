"""What is held out is never served, and is measured as what is served would be."""

import pytest
import torch

from ivr.data.serving import held_out as serving
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.held_out import held_out_batches
from ivr.data.serving.outcomes import ReturnOutcomes
from ivr.data.transforms.split import Split
from ivr.types import Needs
from tests.data.dataset_making import encoded

LENGTHS = [4, 7, 3, 9, 5, 6, 8, 2]

NEEDS = {
    "nothing": Needs(),
    "next actions": Needs(next_actions=True),
    "windows": Needs(window=3),
    "returns": Needs(outcome="return"),
    "goals": Needs(outcome="goal"),
    "returns to go": Needs(return_discount=0.9),
    "the best": Needs(best_fraction=0.5),
    "a model's holdout": Needs(holdout=0.3),
}


def parts(needs, batch_size=4):
    dataset = encoded(LENGTHS, goal=(0.0, 0.0))
    trained, held_out = Split(0.4)(dataset)
    served = TransitionDataModule(
        trained, seeds=[0, 1], batch_size=batch_size, num_updates=200, chunk=200, needs=needs
    )
    return trained, held_out, served


@pytest.mark.parametrize("needs", NEEDS.values(), ids=NEEDS)
def test_no_held_out_transition_is_ever_served(needs):
    """Actions are numbers of transitions, observations of rows."""
    _, held_out, served = parts(needs)
    batch = served.batches(0, 200)
    apart = set(held_out.actions.flatten().tolist())
    rows = {float(row) for at in held_out.rows.tolist() for row in (at, at + 1)}
    assert apart and not apart & set(batch.actions.flatten().tolist())
    for column in (batch.observations, batch.next_observations):
        assert not rows & set(column[..., 0].flatten().tolist())
    if needs.outcome == "goal":
        assert not rows & set(batch.outcomes[..., 0].flatten().tolist())
    if needs.next_actions:
        assert not apart & set(batch.next_actions.flatten().tolist())


@pytest.mark.parametrize("needs", NEEDS.values(), ids=NEEDS)
def test_all_of_it_is_measured_once_in_batches_of_the_size_trained_on(needs):
    _, held_out, served = parts(needs)
    batches = held_out_batches(held_out, served)
    first = torch.cat([b.actions[:, 0] if needs.window else b.actions for b in batches])
    wanted = held_out.actions
    if needs.next_actions:
        wanted = wanted[~held_out.truncated]
    assert sorted(first.flatten().tolist()) == sorted(wanted.flatten().tolist())
    assert [len(b.rewards) for b in batches[:-1]] == [4] * (len(batches) - 1)
    assert all((b.held_out is None) != bool(needs.holdout) for b in batches)
    assert not any(b.held_out.any() for b in batches if b.held_out is not None)
    again = held_out_batches(held_out, served)
    for one, other in zip(batches, again, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a is None and b is None) or torch.equal(a, b), "the same every time"


def test_outcomes_are_in_the_units_of_those_that_are_trained_on():
    trained, held_out, served = parts(Needs(outcome="return"))
    found = torch.cat([b.outcomes for b in held_out_batches(held_out, served)]).flatten()
    horizon = int(trained.steps.max()) + 1
    of = [d.returns_to_go / (horizon - d.steps).clamp(min=1) for d in (trained, held_out)]
    expected = (of[1] - of[0].mean()) / of[0].std(correction=0)
    torch.testing.assert_close(found, expected.float())
    assert served.outcomes.target == ReturnOutcomes(trained, None).target


def test_of_much_a_sample_is_measured_the_same_in_every_run(monkeypatch):
    monkeypatch.setattr(serving, "MEASURED", 6)
    for needs, count in ((Needs(), 6), (Needs(window=3), 2)):
        _, held_out, served = parts(needs)
        found = [torch.cat([b.actions for b in held_out_batches(held_out, served)]) for _ in "ab"]
        assert len(found[0]) == count and torch.equal(*found)
