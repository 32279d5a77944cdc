"""Ranking from Python is the command's."""

import pytest

import ivr
from tests.api.api_making import SMALL, changed, log, own

FEW = {
    "num_updates": 20,
    "critics": 2,
    "hidden": [8, 8],
    "cloning_updates": 5,
    "batch_size": 16,
    "device": "cpu",
    "verbose": False,
}


@pytest.mark.slow
def test_runs_and_their_checkpoints_are_ranked_and_the_best_can_act(tmp_path, capsys):
    one = ivr.train(dataset=own(), seed=[0, 1], folder=tmp_path / "runs" / "one", **SMALL)
    two = ivr.train(dataset=own(), algo="bc", folder=tmp_path / "runs" / "two", **SMALL)
    capsys.readouterr()
    ranking = ivr.rank([one, two.last_checkpoint], folder=tmp_path / "ranking", **FEW)
    said = capsys.readouterr()
    assert said.out == "" and "%|" not in said.err  # neither a table nor a progress bar
    assert (tmp_path / "ranking" / "ranking.html").is_file()
    assert len(ranking.policies) == 3 and ranking.recommended in ranking.policies and ranking.trust
    lower = [one["lower"] for one in ranking.policies]
    assert lower == sorted(lower, reverse=True)
    policy, chosen = ranking.policy(), ranking.recommended
    assert str(policy.path) == chosen["checkpoint"]
    assert policy.act([0, 105_000, 0.5]).shape == (1,) and policy.chosen == chosen["member"]
    both = ivr.rank(tmp_path / "runs", which="last", folder=tmp_path / "again", **FEW)
    numbers = [{(one["algo"], one["seed"], one["value"]) for one in r.policies}
               for r in (both, ranking)]  # fmt: skip
    assert numbers[0] == numbers[1]
    with pytest.raises(ivr.UserError, match="rank it on the data of its robot"):
        ivr.rank(one, dataset=changed(observations=log()["observations"][:, :2]), **FEW)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(ivr.UserError, match="no checkpoint at "):
        ivr.rank(tmp_path / "nowhere")
    with pytest.raises(ivr.UserError, match="holds no checkpoint"):
        ivr.rank(tmp_path)
    with pytest.raises(ivr.UserError, match="unknown key crtics: did you mean critics"):
        ivr.rank(tmp_path, crtics=3)
