"""A checkpoint from before the package was laid out in rooms still evaluates and resumes.

`fixtures/before_rooms` was written by that code: `last.ckpt` at update 4, `last_at_8.ckpt` the same
run resumed to update 8, `best.ckpt` its best policies, `pendulum.npz` the data of all. `mcq_*` are
of another algorithm, whose defaults have been corrected since: a resumed run keeps its own.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch

import ivr

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "tests" / "fixtures" / "before_rooms"


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch):
    """Below it the checkpoints' words look for their data."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", ["last", pytest.param("mcq_last", marks=pytest.mark.slow)])
def test_resumed_it_ends_where_the_code_that_wrote_it_did(tmp_path, name):
    (tmp_path / "checkpoints").mkdir()
    checkpoint = shutil.copy(WRITTEN / f"{name}.ckpt", tmp_path / "checkpoints" / "last.ckpt")
    ivr.train(resume=checkpoint, num_updates=8, verbose=False)
    ours, theirs = (
        torch.load(path, weights_only=True) for path in (checkpoint, WRITTEN / f"{name}_at_8.ckpt")
    )
    for key in ("updates_done", "global_step"):
        assert ours[key] == theirs[key] == 8
    assert ours["sums"] == theirs["sums"]
    for key in ("state_dict", "optimizer_states"):
        # Other processors round otherwise.
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-4, atol=1e-6)
    best = [x["callbacks"].get("EvaluationCallback", {}).get("best_scores") for x in (ours, theirs)]
    assert best[0] == (best[1] and pytest.approx(best[1], rel=1e-4)), "mcq had no environment"


def test_evaluated_it_scores_what_it_did(tmp_path):
    best = WRITTEN / "best.ckpt"
    ivr.evaluate(best, episodes=2, folder=tmp_path, verbose=False)
    members = json.loads((tmp_path / "scores.json").read_text())["members"]
    assert [(m["seed"], m["alpha"], m["update"]) for m in members] == [(0, 0.5, 4), (1, 0.5, 4)]
    # What evaluate.py of the code that wrote it made of it.
    returns = [m["return_mean"] for m in members]
    assert returns == pytest.approx([-122.36496350757363, -111.49484199436449], rel=1e-4)
