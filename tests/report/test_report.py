"""Results gathered over seeds: what is averaged, what is not, and what is left out."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from ivr.commands.report import run as run_report
from ivr.errors import UserError
from ivr.report.figures import grid_over_x
from ivr.report.gathering.groups import SeedGroup
from ivr.report.gathering.names import group_names
from ivr.report.gathering.results import read_results
from ivr.report.named import named
from ivr.report.output.tables import shown
from ivr.report.paper import SCORES
from ivr.report.provenance import seeds_table
from ivr.report.scores import scores_table
from ivr.report.sensitivity import over_alpha
from ivr.report.summary import summary
from tests.report.making import write
from tests.running import composed


def groups_of(folder: Path, x: str | None = None) -> list[SeedGroup]:
    return read_results(folder, x).groups


def rows(folder: Path, x: str | None = None) -> list[dict[str, str]]:
    table = scores_table(named(folder, read_results(folder, x), x))
    return [dict(zip(table.header, map(shown, row), strict=True)) for row in table.rows]


def test_seeds_are_joined_from_several_runs_and_last_scores_are_shown(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    write(tmp_path / "1", {2: 60.0})
    write(tmp_path / "2", {0: 7.0}, noise={"expert_fraction": 1.0}, dataset_source="clean")
    few, many = groups_of(tmp_path, "noise.expert_fraction")
    assert (few.x, few.scores) == (0.1, {0: 10, 1: 20, 2: 60})
    assert (many.x, many.scores) == (1.0, {0: 7})
    # The mean of 10, 20, 60; the percentiles of the 27 draws of three are the least and greatest.
    assert rows(tmp_path, "noise.expert_fraction") == [
        {"algorithm": "sql", "noise.expert_fraction": "0.1", "mean": "30.0 [10.0, 60.0]",
         "Bellman error": "0.5 [0.5, 0.5]", "seeds": "3", "data": "2",
         "replay": "not certified", "runs": "1-2"},
        {"algorithm": "sql", "noise.expert_fraction": "1.0", "mean": "7.0",
         "Bellman error": "0.5", "seeds": "1", "data": "1", "replay": "not certified", "runs": "3"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"algo": "eql"},
        {"alpha": 2.0},
        {"dataset": "m2"},
        {"protocol": "p"},
        {"num_updates": 20},
        {"stopped_early": True},
        {"online": {"start": "bc last 01234567", "checkpoint": "other"}},
        {"options": {"expectile": 0.9}},
        {"noise": {"expert_fraction": 0.3}},
        {"discount": 0.9},
        {"dataset_fingerprint": "b" * 64},
    ],
)
def test_what_differs_in_more_than_the_seed_is_never_averaged(tmp_path, change):
    same = {"options": {"expectile": 0.7}, "discount": 0.99, "dataset_fingerprint": "a" * 64,
            "stopped_early": False, "online": {"start": "sql last 0"}}  # fmt: skip
    write(tmp_path / "0", {0: 10.0}, **same)
    write(tmp_path / "1", {1: 20.0}, **(same | change))
    groups = groups_of(tmp_path)
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
    groups = groups_of(tmp_path)
    assert sorted(list(group.scores.values()) for group in groups) == [[10.0], [20.0]]
    first, second = sorted(group_names(groups))
    assert first.startswith(f"sql {key} ") and second.startswith(f"sql {key} ")
    if key == "environment":
        assert (first, second) == ("sql environment Hopper-v4", "sql environment Hopper-v5")
    if key != "env_kwargs":
        groups = groups_of(tmp_path, f"evaluation.{key}")
        assert [list(group.scores.values()) for group in groups] == [[10.0], [20.0]]
        assert set(group_names(groups)) == {"sql"}


def test_other_packages_other_episodes_and_earlier_records_are_averaged(tmp_path):
    write(tmp_path / "0", {0: 10.0}, evaluation=HOPPER)
    newer = "Hopper-v4 (gymnasium 1.5.0, mujoco 3.12.0)"
    write(tmp_path / "1", {1: 20.0}, evaluation={"environment": newer, "seed": 2, "goal": "x"})
    write(tmp_path / "2", {2: 30.0}, evaluation=None)
    write(tmp_path / "3", {3: 40.0})
    (group,) = groups_of(tmp_path)
    assert len(group.scores) == 4


def test_unfinished_runs_are_left_out_and_a_folder_without_results_is_refused(tmp_path):
    write(tmp_path / "0", {0: 10.0}, status="interrupted")
    with pytest.raises(UserError, match=r"no result\.json of a finished run"):
        read_results(tmp_path)
    write(tmp_path / "1", {0: 20.0})
    assert [group.scores for group in groups_of(tmp_path)] == [{0: 20.0}]


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
    (row,) = rows(tmp_path)
    assert row["mean"] == "70.0 [70.0, 70.0]" and row.get("paper") == (
        "75.5±3.4" if beside else None
    )
    assert row["replay"] == ", ".join(sorted({"exact", status or "not certified"}))
    note = scores_table(named(tmp_path, read_results(tmp_path))).note
    assert ("beside those made on D4RL's own data" in note) is not beside


@pytest.mark.parametrize(
    "change",
    [
        {"halving": {"factor": 3, "first": 10}},
        {"split": {"share": 0.1}},
        {"evaluation": {"reference": [0.0, 100.0]}},
        {"dataset_source": "0.5 of d4rl a, 0.5 of d4rl b"},
    ],
)
def test_the_papers_score_stands_beside_no_other_task_part_or_choice(tmp_path, change):
    facts = {"dataset": "hopper-medium", "dataset_source": "d4rl hopper_medium-v2.hdf5",
             "certificate": {"status": "exact"}}  # fmt: skip
    write(tmp_path / "0", {0: 70.0}, **facts)
    assert rows(tmp_path)[0].get("paper") == "75.5±3.4"
    write(tmp_path / "0", {0: 70.0}, **facts | change)
    assert rows(tmp_path)[0].get("paper") is None


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


def test_of_a_seed_that_is_there_twice_the_later_stands_and_the_report_says_so(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 11.0}, written="2026-01-02T00:00:00+00:00")
    write(tmp_path / "1", {0: 20.0}, written="2026-01-01T00:00:00+00:00")
    write(tmp_path / "2", {1: 30.0}, written="2026-01-03T00:00:00+00:00")
    found = read_results(tmp_path)
    assert found.groups[0].scores == {0: 10.0, 1: 30.0}
    assert [note.rpartition(": ")[2] for note in found.notes] == [
        str(tmp_path / place / "result.json") for place in "10"
    ]
    assert all("written later" in note for note in found.notes)


def test_of_two_results_without_a_date_the_later_file_stands(tmp_path):
    for place, score, time in (("0", 10.0, 2e9), ("1", 20.0, 1e9)):
        write(tmp_path / place, {0: score})
        os.utime(tmp_path / place / "result.json", (time, time))
    (group,) = groups_of(tmp_path)
    assert group.scores == {0: 10.0}


def test_members_that_successive_halving_stopped_are_compared_with_nothing(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 90.0})
    path = tmp_path / "0" / "result.json"
    result = json.loads(path.read_text())
    result["members"][1]["stopped"] = {"update": 5, "place": 2, "of": 2, "rung": 1}
    path.write_text(json.dumps(result))
    found = read_results(tmp_path)
    assert found.groups[0].scores == {0: 10.0}
    assert found.notes == [f"left out, as successive halving stopped seed 1 early: {path}"]


def test_an_x_that_results_do_not_have_is_named(tmp_path):
    write(tmp_path / "0", {0: 10.0})
    with pytest.raises(UserError, match=r"x=noise\.share.*share is not in it"):
        read_results(tmp_path, "noise.share")
    with pytest.raises(UserError, match=r"x=noise: .*not one number"):
        read_results(tmp_path, "noise")


def test_returns_stand_in_where_there_is_no_reference(tmp_path):
    write(tmp_path / "0", {0: 10.0}, normalised=False, error=None)
    (group,) = groups_of(tmp_path)
    assert group.scores == {0: 100.0} and group.errors == {}
    assert rows(tmp_path)[0]["mean"] == "100.0" and "Bellman error" not in rows(tmp_path)[0]


def test_the_report_is_a_page_a_text_and_a_picture_beside_the_runs(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    write(tmp_path / "1", {0: 30.0}, algo="iql", alpha=None, error=None)
    words = (f"folder={tmp_path}", "x=noise.expert_fraction")
    text = run_report(composed(words, "report"), tmp_path, list(words))
    assert (tmp_path / "report.md").read_text() == text and "Left out" not in text
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    drawn = list((tmp_path / "report").glob("*.svg"))
    assert len(drawn) == 2  # scores and Bellman errors, over x
    for path in (tmp_path / "report.png", *(path.with_suffix(".png") for path in drawn)):
        picture = Image.open(path)
        assert picture.format == "PNG" and len(picture.convert("L").getcolors()) > 10


def test_files_of_an_earlier_page_are_told_from_this_ones(tmp_path, caplog):
    write(tmp_path / "0", {0: 10.0}, dataset="first", noise={})
    write(tmp_path / "1", {0: 30.0}, dataset="second", noise={})
    words = (f"folder={tmp_path}",)
    run_report(composed(words, "report"), tmp_path, list(words))
    assert "that this page did not write" not in caplog.text
    (tmp_path / "1" / "result.json").unlink()
    run_report(composed(words, "report"), tmp_path, list(words))
    there = {path.name for path in (tmp_path / "report").iterdir() if "second" in path.name}
    assert there and "holds files that this page did not write" in caplog.text
    assert sorted(there)[0] in caplog.text


def test_a_folder_that_is_a_link_is_entered_once(tmp_path):
    write(tmp_path / "scratch" / "a", {0: 10.0})
    write(tmp_path / "runs" / "b", {1: 20.0})
    (tmp_path / "runs" / "scratch").symlink_to(tmp_path / "scratch")
    (tmp_path / "scratch" / "again").symlink_to(tmp_path / "runs")
    (group,) = groups_of(tmp_path / "runs")
    assert group.scores == {0: 10.0, 1: 20.0}


@pytest.mark.parametrize("x", ["algo", "alpha"])
def test_words_and_missing_numbers_are_places_on_an_axis(tmp_path, x):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    write(tmp_path / "1", {0: 30.0}, algo="iql", alpha=None, error=None)
    found = named(tmp_path, read_results(tmp_path, x), x)
    figure = grid_over_x(found.pairs, x, found.look)
    score, error = figure.axes
    places = {"algo": ["iql", "sql"], "alpha": ["1.0", "None"]}[x]
    assert [label.get_text() for label in score.get_xticklabels()] == places
    assert score.get_title(loc="left") == "maze: last score (normalised) (1 to 2 seeds each)"
    assert (score.get_legend() is None) == (x == "algo") and error.get_ylabel() == "Bellman error"


def test_best_scores_are_shown_where_asked_for_and_compared_with_nothing(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    found = named(tmp_path, read_results(tmp_path))
    assert "65" not in "".join(shown(cell) for cell in scores_table(found).rows[0])
    table = scores_table(found, best=True)
    assert shown(table.rows[0][table.header.index("best")]) == "65.0"  # (60 + 70) / 2
    assert "compared with nothing" in table.note


def test_proportions_have_wilson_intervals(tmp_path):
    """0 of 50 is 0 to 7.1 %; 0 of 50 and 1 of 50 are 1 of 100, 0.2 to 5.4 %."""
    write(tmp_path / "0", {0: 0.0}, episodes=50, evaluation={"metric": "success"})
    (row,) = rows(tmp_path)
    assert (row["mean"], row["successes"]) == ("0.0", "0/50: 0.0 to 7.1 %")
    write(tmp_path / "1", {1: 2.0}, episodes=50, evaluation={"metric": "success"})
    assert rows(tmp_path)[0]["successes"] == "1/100: 0.2 to 5.4 %"
    each = seeds_table(read_results(tmp_path))
    assert [shown(row[4]) for row in each.rows] == ["0.0 [0.0, 7.1]", "2.0 [0.4, 10.5]"]


def test_an_algorithm_has_one_colour_and_each_of_its_alphas_a_line_of_its_own(tmp_path):
    for algo in ("sql", "iql"):
        for alpha in (1.0, 2.0):
            for dataset in ("maze", "other"):
                place = tmp_path / f"{algo}{alpha}{dataset}"
                write(place, {0: 1.0}, algo=algo, alpha=alpha, dataset=dataset)
    write(tmp_path / "bc", {0: 1.0}, algo="bc", alpha=None)
    found = named(tmp_path, read_results(tmp_path))
    # What differs within an algorithm is in its names, and in no other's.
    both = {f"{algo} alpha {alpha}" for algo in ("sql", "iql") for alpha in (1.0, 2.0)}
    assert set(found.names) == both | {"bc"}
    look = found.look
    assert len({look[name].color for name in ("bc", "sql alpha 1.0", "iql alpha 1.0")}) == 3
    for algo in ("sql", "iql"):
        one, two = look[f"{algo} alpha 1.0"], look[f"{algo} alpha 2.0"]
        assert one.color == two.color and one.line != two.line and one.marker != two.marker
    alphas = over_alpha(found)
    assert {name: alphas.look[name].color for name in ("sql", "iql")} == {
        name: look[f"{name} alpha 1.0"].color for name in ("sql", "iql")
    }


def test_two_algorithms_that_trained_for_different_times_say_so(tmp_path):
    write(tmp_path / "0", {0: 1.0}, algo="bc", num_updates=10)
    write(tmp_path / "1", {0: 1.0}, algo="sql", num_updates=20)
    assert group_names(groups_of(tmp_path)) == ["bc num_updates 10", "sql num_updates 20"]


def test_the_summary_fits_a_terminal_and_says_what_is_left_out(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: 20.0})
    for place in range(9):
        write(tmp_path / f"bad{place}", {0: 1.0}, status="failed")
    lines = summary(tmp_path).splitlines()
    assert lines[0].split() == ["|", "algorithm", "|", "mean", "|", "seeds", "|"]
    assert lines[2].split() == ["|", "sql", "|", "15.0", "[10.0,", "20.0]", "|", "2", "|"]
    assert "9 left out:" in lines and lines[-1] == "  and 4 more"


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
        b'{"status": "finished", "wall_seconds": 1' + b"0" * 400 + b"}",
    ],
)
def test_a_damaged_result_is_one_message_and_the_rest_is_reported(tmp_path, content):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "result.json").write_bytes(content)
    with pytest.raises(UserError, match=r"no result\.json.*\n.*result\.json (cannot be|was not)"):
        read_results(tmp_path)
    write(tmp_path / "good", {0: 10.0})
    found = read_results(tmp_path)
    assert found.groups[0].scores == {0: 10.0}
    (note,) = found.notes
    assert note.startswith(f"left out: {tmp_path / 'bad' / 'result.json'} ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "../0"),
        ("alpha", [1.0]),
        ("last", 3),
        ("last", {"return_mean": "high"}),
        ("last", {"return_mean": float("nan"), "normalized_score": None}),
        ("last", {"return_mean": 10**400, "normalized_score": None}),
        ("last", {"return_mean": 1.0}),
        ("best", "high"),
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


@pytest.mark.parametrize(
    "change", [{"reference": ["a", "b"]}, {"reference": [None, None]}, {"metric": {"a": 1}}]
)
def test_a_task_of_another_type_is_one_message(tmp_path, change):
    write(tmp_path / "0", {0: 10.0}, evaluation=change)
    with pytest.raises(UserError, match="it lacks evaluation, or holds something else there"):
        read_results(tmp_path)


def test_a_score_that_is_no_number_is_left_out(tmp_path):
    write(tmp_path / "0", {0: 10.0, 1: None}, normalised=True)
    (group,) = groups_of(tmp_path)
    assert group.scores == {0: 10.0}


def test_a_run_without_an_environment_says_what_there_is(tmp_path):
    write(tmp_path / "a", {0: None, 1: None})
    path = tmp_path / "a" / "result.json"
    result = json.loads(path.read_text())
    for k, member in enumerate(result["members"]):
        measured = {"bellman_error": 0.25 + k, "action_error": 0.5, "update": 40}
        member |= {"last": None, "best": None}
        member["held_out"] = {"last": measured, "best": measured, "best_by": "bellman_error"}
    path.write_text(json.dumps(result))
    text = run_report(composed((f"folder={tmp_path}",), "report"), tmp_path, [])
    assert "none of these is a score" in text and "| 1.25 " in text and "bellman_error" in text
    assert "measured on held-out episodes" in (tmp_path / "report.html").read_text()
    write(tmp_path / "b", {0: 70.0})
    both = run_report(composed((f"folder={tmp_path}",), "report"), tmp_path, [])
    assert "70.0" in both and "| 1.25 " in both


def test_scores_are_laid_out_over_a_setting_of_runs_online(tmp_path):
    for steps in (10, 20):
        write(tmp_path / str(steps), {0: 10.0}, online={"warmup_steps": steps})
        path = tmp_path / str(steps) / "result.json"
        result = json.loads(path.read_text())
        result["members"][0]["online"] = {"regret": 0.1}
        path.write_text(json.dumps(result))
    assert [group.x for group in groups_of(tmp_path, "online.warmup_steps")] == [10, 20]
    assert [group.x for group in groups_of(tmp_path, "online.regret")] == [0.1, 0.1]
