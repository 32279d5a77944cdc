"""rank.py, from runs on disk to its files."""

import json
from pathlib import Path
from typing import Any

import pytest

from ivr.commands import rank
from ivr.errors import UserError
from tests.running import composed, train

QUICK = (
    "num_updates=6", "cloning_updates=4", "hidden=[8]", "critics=2", "batch_size=16", "device=cpu",
)  # fmt: skip


def ranked(folder: Path, *words: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return rank.run(composed((*QUICK, *words), "rank"), folder, list(words))


@pytest.fixture(scope="module")
def runs(small_pointmaze: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two temperatures of sql, a run of bc, and one of dt, on what a split left."""
    folder = tmp_path_factory.mktemp("runs")
    short = ("num_updates=2", "eval_every=2", "split=0.2", "discount=0.99")
    train(folder / "0", "algo=sql", "alpha=[0.1,1.0]", *short)
    train(folder / "1", "algo=bc", *short)
    train(folder / "2", "algo=dt", *short)
    return folder


def test_every_policy_of_a_sweep_is_ranked(runs, tmp_path, caplog):
    caplog.set_level("INFO")
    found = ranked(tmp_path, f"runs={runs}", "which=last")
    names = [policy["name"] for policy in found["policies"]]
    assert sorted(names) == [
        "bc seed0 @2 1", "sql alpha0.1 seed0 @2 0", "sql alpha1 seed0 @2 0"
    ]  # fmt: skip
    assert [one["policy"] for one in found["left_out"]] == ["dt 2"]
    assert "left out: dt 2: its action depends on more" in caplog.text
    assert found["held_out_by_the_runs"] and found["held_out_episodes"] > 0
    assert found["recommendation"]["name"] in names and "recommended" in caplog.text
    assert found["recommendation"]["trust"][0].startswith(
        "Do not rely on it: 6 updates are too few"
    )
    assert 0 <= found["returned"] <= 1  # the goal pays 1, once
    assert found["policies"][0]["lower"] >= found["policies"][-1]["lower"]
    assert found["attainable"] == pytest.approx([0, 100])  # recorded rewards, not those less 1
    assert json.loads((tmp_path / "rank.json").read_text()) == found
    assert len((tmp_path / "rank.csv").read_text().splitlines()) == 4
    assert "recommendation" not in (page := (tmp_path / "ranking.html").read_text())
    assert all(name in page for name in names)


def test_best_and_last_are_one_policy_where_they_are_equal(runs, tmp_path):
    paths = [runs / "1" / "checkpoints" / f"{name}.ckpt" for name in ("best", "last")]
    found = ranked(tmp_path, f"checkpoints=[{paths[0]},{paths[1]}]")
    assert len(found["policies"]) == 1


def test_with_an_environment_the_truth_stands_beside_it(runs, tmp_path):
    """No policy of two updates reaches the goal, and no reward comes before that."""
    found = ranked(tmp_path, f"runs={runs}", "which=last", "episodes=1", "initial=evaluation")
    assert [policy["truth"] for policy in found["policies"]] == [0, 0, 0]
    assert found["truth_above_lower_bound"] == found["truth_above_recommended_bound"] == 1
    assert "regret@1" in found["metrics"]["FQE"] and found["initial_states"] == 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "runs is missing"),
        (("runs=nowhere",), "runs=nowhere is not a folder"),
        (("runs={runs}", "which=early"), "which=early names: there is best, last"),
        (("checkpoints=[{runs}/a.ckpt]",), "no checkpoint at"),
        (("runs={runs}", "critics=1"), "critics=1: an interval takes 2"),
        (("runs={runs}", "hidden=64"), "hidden=64: must be sizes of layers"),
        (("runs={runs}", "split=1.5"), "split=1.5"),
        (("runs={runs}", "initial=here"), "initial=here: must be data or evaluation"),
        (("runs={runs}/2",), "none of the policies can be ranked"),
    ],
)
def test_what_cannot_be_ranked_is_refused(runs, tmp_path, words, said):
    with pytest.raises(UserError, match=said.replace("[", r"\[")):
        ranked(tmp_path, *(word.replace("{runs}", str(runs)) for word in words))


def test_pieces_of_episodes_are_not_ranked_as_episodes(tmp_path, small_pointmaze):
    """Also where so few steps are kept that there are fewer pieces than episodes were."""
    words = ("algo=bc", "num_updates=1", "eval_every=1", "discount=0.99", "batch_size=16")
    few = train(tmp_path / "a", *words, "subset=heavy_tail", "subset.keep=0.015")
    assert few["subset"]["kept_episodes"] < few["subset"]["of_episodes"]
    with pytest.raises(UserError, match="trained on pieces of episodes"):
        ranked(tmp_path / "b", f"runs={tmp_path}/a", "which=last")
    whole = train(tmp_path / "c", *words, "subset=fraction", "subset.keep=0.5")
    assert whole["subset"]["kept_episodes"] < whole["subset"]["of_episodes"]
    assert ranked(tmp_path / "d", f"runs={tmp_path}/c", "which=last")["policies"]


def test_a_ranking_leaves_the_records_of_a_training_alone(runs):
    with pytest.raises(UserError, match="holds a training"):
        ranked(runs / "1", f"runs={runs}", "which=last")


@pytest.mark.slow
def test_policies_of_different_data_are_not_compared(runs, tmp_path):
    train(tmp_path / "a", "algo=bc", "num_updates=1", "eval_every=1")
    with pytest.raises(UserError, match="different data"):
        ranked(tmp_path / "b", f"runs=[{runs}/1,{tmp_path}/a]", "which=last")


@pytest.mark.filterwarnings("ignore:.*scaled by the data's own bounds")
def test_each_policy_is_of_the_data_as_they_are(tmp_path):
    """Whichever is named first: an earlier file of the same name is other data."""
    table = tmp_path / "log.csv"
    for name in ("before", "after"):
        rows = [f"{i % 7},{i % 5},{i % 3},{int(i % 10 == 9)}" for i in range(80)]
        table.write_text(
            "\n".join(["speed,valve,profit,end", *rows[: None if name == "after" else 60]])
        )
        train(
            tmp_path / name, "dataset=arrays", f"dataset.path={table}", "dataset.env=null",
            "dataset.columns.observations=[speed]", "dataset.columns.actions=[valve]",
            "dataset.columns.reward=profit", "dataset.columns.terminated=end", "algo=bc",
            "num_updates=1", "eval_every=1", "discount=0.9",
        )  # fmt: skip
    both = [str(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("after", "before")]
    for order in (both, both[::-1]):
        with pytest.raises(UserError, match="the data have changed"):
            ranked(tmp_path / "rank", f"checkpoints=[{','.join(order)}]")
    assert ranked(tmp_path / "rank", f"checkpoints=[{both[0]}]")["episodes"] == 8
