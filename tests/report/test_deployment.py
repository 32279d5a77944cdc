"""The section on evaluation budgets: what it needs, and what it makes of a ranking."""

import json
from pathlib import Path
from typing import Any

import pytest

from ivr.commands.report import run as run_report
from ivr.errors import UserError
from ivr.report.deployment import deployment
from ivr.report.gathering.ranks import places, read_ranks
from ivr.report.gathering.results import read_results
from ivr.report.named import named
from ivr.report.output.tables import Table
from tests.report.making import write
from tests.running import composed

SUCCESS = {"evaluation": {"metric": "success"}, "episodes": 10}


def policy(folder: Path, seed: int, **changes: Any) -> dict[str, Any]:
    checkpoint = str(folder / "checkpoints" / "last.ckpt")
    known = {"checkpoint": checkpoint, "seed": seed, "alpha": 1.0, "update": 10}
    return {"algo": "sql", "lower": 0.0} | known | changes


def written(folder: Path, policies: list[dict[str, Any]]) -> Path:
    path = folder / "rank.json"
    path.write_text(json.dumps({"policies": policies}))
    return path


def tables(folder: Path, budget: int = 2, ranking: Path | None = None) -> tuple[list[Table], str]:
    (section,) = deployment(named(folder, read_results(folder)), budget, ranking)
    return list(section.tables), section.text


def test_a_ranking_decides_who_is_rolled_out_first(tmp_path):
    write(tmp_path / "runs" / "a", {0: 0.0, 1: 100.0}, **SUCCESS)
    (first, second), _ = tables(tmp_path)
    assert list(first.header) == ["rollouts", "each once", "halving", "UCB"]
    assert [cell.value for cell in second.rows[1][1:]] == [100]  # the best of both
    moved = Path("/elsewhere") / "a"  # the folder was copied since
    earlier = policy(moved, 0, update=5)
    written(tmp_path, [earlier, policy(moved, 1), policy(moved, 0), policy(moved, 1)])
    (first, _), text = tables(tmp_path)
    assert list(first.header)[4:] == [f"{one} by rank" for one in ("each once", "halving", "UCB")]
    chosen = dict(zip(first.header, first.rows[0], strict=True))
    assert chosen["each once by rank"].value == 100 and 40 < chosen["each once"].value < 60
    assert "not used" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"algo": "eql"},
        {"alpha": 2.0},
        {"seed": 7},
        {"update": 5},
        {"checkpoint": "b/checkpoints/last.ckpt"},
        {"checkpoint": None},
    ],
)
def test_a_ranking_that_lacks_a_policy_is_not_used(tmp_path, change):
    write(tmp_path / "a", {0: 0.0, 1: 100.0}, **SUCCESS)
    place = tmp_path / "a"
    path = written(tmp_path, [policy(place, 0), policy(place, 1) | change])
    (group,) = read_results(tmp_path).groups
    assert places(read_ranks(path), list(group.runs.values())) is None
    (first, _), text = tables(tmp_path, ranking=path)
    assert len(first.header) == 4 and "rank.json is not used" in text


@pytest.mark.parametrize("content", ["", "[]", '{"policies": [1]}', '{"policies": {"a": 1}}'])
def test_a_damaged_ranking_is_one_message(tmp_path, content):
    path = tmp_path / "rank.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"rank=.*rank\.json cannot be read"):
        read_ranks(path)


def test_a_ranking_without_a_budget_is_of_no_use(tmp_path):
    (tmp_path / "rank.json").write_text("{}")
    words = (f"folder={tmp_path}", f"rank={tmp_path}/rank.json")
    with pytest.raises(UserError, match=r"rank=.*: its order is of use with budget="):
        run_report(composed(words, "report"), tmp_path, list(words))


def test_results_without_episodes_are_not_rolled_out(tmp_path):
    write(tmp_path / "a", {0: 10.0, 1: 20.0})
    (tried,), text = tables(tmp_path)
    assert tried.name == "tried_maze" and "Rollouts are not simulated" in text


@pytest.mark.parametrize(
    "word", ["budget=0", "budget=2.5", "budget=many", "rank=gone.json", "best=1"]
)
def test_a_bad_word_is_one_message(tmp_path, word):
    words = (f"folder={tmp_path}", word)
    with pytest.raises(UserError, match=f"^{word}"):
        run_report(composed(words, "report"), tmp_path, list(words))
