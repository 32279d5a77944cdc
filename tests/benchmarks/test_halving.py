"""A halving that is replayed stops whom train.py would have stopped."""

from importlib import import_module

import numpy as np
import pytest

from ivr.errors import UserError
from ivr.training.rungs import Halving

SCORES = np.array(
    [
        [9.0, 1.0, 5.0, 7.0],  # after 10 updates the members 0 and 3 go on
        [6.0, 2.0, 5.0, 8.0],  # after 20, member 3
        [1.0, 9.0, 5.0, 7.0],  # which falls 2 short of member 1
    ]
)


def test_a_replay_by_hand():
    halving = import_module("halving")
    found = halving.replay(Halving(2, 10, halving.SCORE), SCORES, SCORES, [10, 20, 40])
    assert found.survives == [False, False] and found.regret == 2
    # 4 members for 10 updates, 2 for 10, 1 for 20, of 4 for 40.
    assert found.updates == (40 + 20 + 20) / 160
    # By an error member 1 goes on, and 2.
    error = halving.replay(Halving(2, 10, "held_out/bellman_error"), SCORES, SCORES, [10, 20, 40])
    assert error.survives == [True, True] and error.regret == 0


def test_runs_are_pooled_and_must_have_been_measured_alike(tmp_path, monkeypatch, capsys):
    halving = import_module("halving")
    for run, members in (("a", (0, 1)), ("b", (2, 3))):
        (tmp_path / run).mkdir()
        rows = [
            f"{update},seed{k},{halving.SCORE},{SCORES[i, k]}"
            for i, update in enumerate((10, 20, 40))
            for k in members
        ]
        (tmp_path / run / "metrics.csv").write_text(
            "\n".join(["update,member,metric,value", *rows])
        )
    words = [str(tmp_path / "a"), str(tmp_path / "b"), "--factor", "2"]
    monkeypatch.setattr("sys.argv", ["halving.py", *words])
    halving.main()
    shown = capsys.readouterr().out
    assert "after 40: 6, 3" in shown  # (1 + 9 + 5 + 7) / 4, and three within 5 of 9
    (by_score,) = (line for line in shown.splitlines() if f"| {halving.SCORE} |" in line)
    # Of two members one goes on after 10 updates. The pairs 0 1, 0 2, 0 3, 1 2 and 1 3
    # lose the better one, by 8, 4, 6, 4 and 2, and 2 3 keeps it: 17 % and 4.
    survived, regret = by_score.split("|")[4:6]
    assert float(survived.strip(" %")) == pytest.approx(100 / 6, abs=3)
    assert float(regret) == pytest.approx(4, abs=0.2)
    with (tmp_path / "b" / "metrics.csv").open("a") as file:
        file.write(f"\n50,seed2,{halving.SCORE},1")
    with pytest.raises(UserError, match="not every member has the same evaluations"):
        halving.main()
    (tmp_path / "b" / "metrics.csv").unlink()
    with pytest.raises(UserError, match="there is no run with a"):
        halving.main()
