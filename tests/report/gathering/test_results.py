"""Which results are one setting, and what is left out."""

import json

import pytest

from ivr.commands import report
from ivr.report.gathering.names import variants
from ivr.report.gathering.results import read_results
from ivr.report.output.write import file_name
from tests.report.making import write
from tests.running import composed


def test_a_number_that_was_typed_as_a_whole_one_is_the_same(tmp_path):
    for seed, tau in enumerate((1, 1.0)):
        write(tmp_path / f"{seed}", {seed: 5.0}, options={"target_tau": tau, "hidden": [8]})
    write(tmp_path / "2", {2: 5.0}, options={"target_tau": 2, "hidden": [8]})
    found = read_results(tmp_path, "options.target_tau")
    assert [(group.x, sorted(group.runs)) for group in found.groups] == [(1, [0, 1]), (2, [2])]
    named = variants(read_results(tmp_path).groups)
    assert sorted(float(name.removeprefix("sql target_tau ")) for name in named) == [1, 2]
    write(tmp_path / "3", {3: 5.0}, options={"target_tau": True, "hidden": [8]})
    assert len(read_results(tmp_path).groups) == 3  # true is no number


def test_it_tells_no_two_variants_apart(tmp_path):
    write(tmp_path / "0", {0: 5.0}, options={"target_tau": 1, "width": 8})
    write(tmp_path / "1", {0: 5.0}, options={"target_tau": 1.0, "width": 9})
    assert variants(read_results(tmp_path).groups) == ["sql width 8", "sql width 9"]


@pytest.mark.parametrize(
    "damage",
    [
        {"halving": "x"},
        {"members": [{"seed": 0, "alpha": 1.0, "last": None, "online": "abc"}]},
        {"members": [{"seed": 0, "alpha": 1.0, "last": {"normalized_score": 1e308}}]},
        {
            "members": [
                {"seed": 0, "alpha": 1.0, "last": {"normalized_score": 1.0, "episodes": 2**40}}
            ]
        },
        {"wall_seconds": 1e308},
    ],
)
def test_a_damaged_result_is_left_out_and_the_page_is_written(tmp_path, damage):
    write(tmp_path / "good", {0: 10.0, 1: 20.0})
    write(tmp_path / "bad", {2: 30.0}, protocol="released")
    path = tmp_path / "bad" / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    (tmp_path / "good" / "metrics.csv").write_text(
        "update,member,metric,value\n"
        f"{'9' * 30},seed0_alpha1.0,evaluation/score,1\n"
        "10,seed0_alpha1.0,evaluation/score,1e300\n"
    )
    words = (f"folder={tmp_path}",)
    text = report.run(composed(words, "report"), tmp_path, list(words))
    assert "15" in text and "bad/result.json" in text
    assert (tmp_path / "report.html").is_file()


def test_no_two_names_have_one_file():
    names = [
        "scores 日志一",
        "scores 日志二",
        "x" * 101,
        "x" * 102,
        "../a",
        "a",
        "a/b",
        "a_b",
        "...",
    ]
    assert len({file_name(name) for name in names}) == len(names)
    assert file_name("scores hopper-medium (as is)") == "scores_hopper-medium_as_is_"
    assert not any(file_name(name).startswith(".") or "/" in file_name(name) for name in names)
