"""Results gathered over seeds: what is averaged, what is not, and what is left out."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from ivr.commands.report import run as run_report
from ivr.errors import UserError
from ivr.report.paper import SCORES
from ivr.report.results import group_names, mean_and_error, read_results
from ivr.report.show import markdown
from tests.running import composed


def write(path: Path, scores: dict[int, float], **changes) -> None:
    """A result.json of seeds and their last scores; the best ones are 50 higher."""
    alpha, error = changes.pop("alpha", 1.0), changes.pop("error", 0.5)
    normalised = changes.pop("normalised", True)
    result = {
        "algo": "sql", "dataset": "maze", "protocol": "paper", "num_updates": 10,
        "dataset_source": "made", "noise": {"expert_fraction": 0.1}, "status": "finished",
    } | changes  # fmt: skip

    def record(score):
        return {
            "normalized_score": score if normalised else None,
            "return_mean": score if normalised else 10 * score,
            "bellman_error": error,
        }

    result["members"] = [
        {"seed": k, "alpha": alpha, "last": record(score), "best": record((score or 0) + 50)}
        for k, score in scores.items()
    ]
    path.mkdir(parents=True)
    (path / "result.json").write_text(json.dumps(result))


def test_mean_and_standard_error_by_hand():
    """1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7, error sqrt(7 / 3)."""
    assert mean_and_error([1, 2, 6]) == (3, pytest.approx(math.sqrt(7 / 3)))
    assert mean_and_error([4]) == (4, None)


def test_seeds_are_joined_from_several_runs_and_last_scores_are_shown(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    write(tmp_path / "1", {2: 60.0})
    write(tmp_path / "2", {0: 7.0}, noise={"expert_fraction": 1.0}, dataset_source="clean")
    few, many = read_results(tmp_path, "noise.expert_fraction")
    assert (few.x, few.scores) == (0.1, {0: 10, 1: 20, 2: 60})
    assert (many.x, many.scores) == (1.0, {0: 7})
    text = markdown([few, many], "noise.expert_fraction")
    # Variance of 10, 20, 60: (400 + 100 + 900) / 2 = 700; sqrt(700 / 3) = 15.3.
    assert "| sql | 0.1 | 30.0 ± 15.3 | 0.5 ± 0 | 3 | 2 | not certified |" in text
    assert "| sql | 1.0 | 7.0 | 0.5 | 1 | 1 | not certified |" in text
    assert "aper" not in text
    assert "1. clean" in text and "2. made" in text


@pytest.mark.parametrize(
    "change",
    [{"algo": "eql"}, {"alpha": 2.0}, {"dataset": "m2"}, {"protocol": "p"}, {"num_updates": 20}],
)
def test_what_differs_in_more_than_the_seed_is_never_averaged(tmp_path, change):
    write(tmp_path / "0", {0: 10.0})
    write(tmp_path / "1", {1: 20.0}, **change)
    groups = read_results(tmp_path)
    assert sorted(list(group.scores.values()) for group in groups) == [[10.0], [20.0]]
    assert len(set(group_names(groups))) == 2


HOPPER = {"environment": "Hopper-v4 (gymnasium 1.4.0, mujoco 3.11.0)", "env_kwargs": {}, "seed": 1}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("environment", "Hopper-v5 (gymnasium 1.4.0, mujoco 3.11.0)"),
        ("env_kwargs", {"forward_reward_weight": 2}),
        ("goal", "d4rl_v2"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_two_ways_of_evaluating_are_never_averaged(tmp_path, key, value, seed):
    write(tmp_path / "0", {0: 10.0}, evaluation=HOPPER | {"goal": "centre"})
    write(tmp_path / "1", {seed: 20.0}, evaluation=HOPPER | {"goal": "centre", key: value})
    with pytest.raises(UserError) as raised:
        read_results(tmp_path)
    message = str(raised.value)
    assert f"maze sql was evaluated with {key} " in message and f"x=evaluation.{key}" in message
    assert all(str(tmp_path / name / "result.json") in message for name in "01")
    if key == "environment":
        assert "environment Hopper-v4 in" in message and "and Hopper-v5 in" in message
    if key != "env_kwargs":
        groups = read_results(tmp_path, f"evaluation.{key}")
        assert [list(group.scores.values()) for group in groups] == [[10.0], [20.0]]


def test_other_packages_other_episodes_and_earlier_records_are_averaged(tmp_path):
    write(tmp_path / "0", {0: 10.0}, evaluation=HOPPER)
    newer = "Hopper-v4 (gymnasium 1.5.0, mujoco 3.12.0)"
    write(tmp_path / "1", {1: 20.0}, evaluation={"environment": newer, "seed": 2, "goal": "x"})
    write(tmp_path / "2", {2: 30.0}, evaluation=None)
    write(tmp_path / "3", {3: 40.0})
    (group,) = read_results(tmp_path)
    assert len(group.scores) == 4


def test_unfinished_runs_are_left_out_and_a_folder_without_results_is_refused(tmp_path):
    write(tmp_path / "0", {0: 10.0}, status="interrupted")
    with pytest.raises(UserError, match=r"no result\.json of a finished run"):
        read_results(tmp_path)
    write(tmp_path / "1", {0: 20.0})
    assert [group.scores for group in read_results(tmp_path)] == [{0: 20.0}]


@pytest.mark.parametrize(
    ("source", "status", "beside"),
    [
        ("d4rl hopper_medium-v2.hdf5", "exact", True),
        ("d4rl hopper_medium-v2.hdf5", "close", True),
        ("d4rl hopper_medium-v2.hdf5", "differs", False),
        ("d4rl hopper_medium-v2.hdf5", "not certified", False),
        ("d4rl hopper_medium-v2.hdf5", None, False),  # of the time before certificates
        ("d4rl_hdf5 mine.hdf5", "exact", False),
        ("generated by ivr, not D4RL: ivr/x", "exact", False),
    ],
)
def test_the_papers_score_stands_beside_its_own_data_in_an_environment_that_repeats_them(
    tmp_path, source, status, beside
):
    certificate = status and {"status": status}
    for seed, replay in ((0, {"status": "exact"}), (1, certificate)):
        facts = {"dataset": "hopper-medium", "dataset_source": source, "certificate": replay}
        write(tmp_path / str(seed), {seed: 70.0}, **facts)
    text = markdown(read_results(tmp_path), None)
    shown = ", ".join(sorted({"exact", status or "not certified"}))
    row = "70.0 ± 0.0 | 75.5±3.4 |" if beside else "70.0 ± 0.0 |"
    assert f"| sql | {row} 0.5 ± 0 | 2 | 1 | {shown} |" in text
    assert ("beside those made on D4RL's own data" in text) is not beside


def test_the_papers_table_is_that_of_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in page[page.index("## The paper's own table") :].splitlines()
        if line.startswith("|")
    ]
    expected = {
        (name, algo): score
        for name, *scores in rows[2:]
        for algo, score in zip(rows[0][1:], scores, strict=True)
        if score != "–"
    }
    assert expected == SCORES and len(SCORES) == 18 * 10 - 3 * 5


def test_a_seed_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path / "0", {0: 10.0})
    write(tmp_path / "1", {0: 20.0}, noise={"expert_fraction": 0.3})
    assert len(read_results(tmp_path, "noise.expert_fraction")) == 2
    with pytest.raises(UserError, match=r"seed 0 of the same settings twice"):
        read_results(tmp_path)


def test_an_x_that_results_do_not_have_is_named(tmp_path):
    write(tmp_path / "0", {0: 10.0})
    with pytest.raises(UserError, match=r"x=noise\.share.*share is not in it"):
        read_results(tmp_path, "noise.share")
    with pytest.raises(UserError, match=r"x=noise: .*not one number"):
        read_results(tmp_path, "noise")
    (tmp_path / "0" / "result.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        read_results(tmp_path)


def test_returns_stand_in_where_there_is_no_reference(tmp_path):
    write(tmp_path / "0", {0: 10.0}, normalised=False, error=None)
    (group,) = read_results(tmp_path)
    assert group.scores == {0: 100.0} and group.errors == {}
    assert "| sql | 100.0 | – | 1 | 1 | not certified |" in markdown([group], None)


@pytest.mark.parametrize("x", ["noise.expert_fraction", "algo", "alpha"])
def test_the_report_is_a_table_and_a_picture_beside_the_runs(tmp_path, x):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    write(tmp_path / "1", {0: 30.0}, algo="iql", alpha=None, error=None)
    words = (f"folder={tmp_path}", f"x={x}")
    text = run_report(composed(words, "report"), tmp_path, list(words))
    assert (tmp_path / "report.md").read_text() == text
    picture = Image.open(tmp_path / "report.png")
    assert picture.format == "PNG" and len(picture.convert("L").getcolors()) > 10


def test_a_folder_that_is_missing_is_one_message(tmp_path):
    with pytest.raises(UserError, match="folder is missing"):
        run_report(composed((), "report"), tmp_path, [])
    with pytest.raises(UserError, match="nowhere is not a folder"):
        run_report(composed((f"folder={tmp_path}/nowhere",), "report"), tmp_path, [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"status": "finished"}',
        b'{"status": ["finished"]}',
        b'{"status": "finished", "evaluation": "Hopper-v4"}',
    ],
)
def test_a_damaged_result_is_one_message(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(UserError, match=r"result\.json (cannot be read|was not written)"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "../0"),
        ("alpha", [1.0]),
        ("last", 3),
        ("last", {"return_mean": "high"}),
        ("last", {"return_mean": float("nan"), "normalized_score": None}),
    ],
)
def test_a_member_of_another_type_is_one_message(tmp_path, key, value):
    write(tmp_path / "0", {0: 10.0})
    path = tmp_path / "0" / "result.json"
    result = json.loads(path.read_text())
    result["members"][0][key] = value
    path.write_text(json.dumps(result))
    with pytest.raises(UserError, match="it lacks members, or holds something else there"):
        read_results(tmp_path)


def test_a_score_that_is_no_number_is_left_out(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: None}, normalised=True)
    (group,) = read_results(tmp_path)
    assert group.scores == {0: 10.0}
