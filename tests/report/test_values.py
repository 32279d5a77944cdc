"""Episodes and values of result.json: what is made of them, and of files that lack or bend them."""

import json

import numpy as np
import pytest

from ivr.report import figures
from ivr.report.gathering.curves import Curves
from ivr.report.gathering.results import read_results
from ivr.report.named import named
from ivr.report.output.tables import shown
from ivr.report.values import _while_training as overestimation
from ivr.report.values import values
from tests.report.making import write


def change(folder, member: dict, **result) -> None:
    """Add entries to the first member of a result, and to the result."""
    path = folder / "result.json"
    content = json.loads(path.read_text()) | result
    content["members"][0] |= member
    path.write_text(json.dumps(content))


def episodes(folder):
    return next(iter(read_results(folder).groups[0].runs.values())).episodes


@pytest.mark.parametrize(
    ("metric", "reference", "normalised", "expected"),
    [
        # D4RL's score of returns 10 and 30 with a reference of 10 to 50: 0 and 50.
        ("return", [10.0, 50.0], True, [0, 50]),
        ("tasks", [0.0, 4.0], True, [25, 100]),  # 1 and 4 of 4
        ("return", None, False, [10, 30]),
        ("return", None, True, None),  # a reference that is not on record
        ("return", [3.0, 3.0], True, None),
    ],
)
def test_what_each_episode_scored(tmp_path, metric, reference, normalised, expected):
    write(tmp_path, {0: 20.0}, normalised=normalised)
    lists = {"return": [10.0, 30.0], "tasks": [1, 4], "length": [5, 5]}
    change(
        tmp_path,
        {"episodes": {"last": lists}},
        evaluation={"metric": metric, "reference": reference},
    )
    found = episodes(tmp_path)
    assert (found if found is None else found.tolist()) == expected


def test_successes_are_known_without_a_list(tmp_path):
    write(tmp_path, {0: 25.0}, episodes=4, evaluation={"metric": "success"})
    assert sorted(episodes(tmp_path)) == [0, 0, 0, 100]


@pytest.mark.parametrize(
    "bent",
    [
        [1],
        {"last": [1.0]},
        {"last": {"return": 1.0}},
        {"last": {"return": ["high"]}},
        {"last": {"return": [1.0], "length": [1, 2]}},
        {"last": {"a\x1b": [1.0]}},
    ],
)
def test_bent_episodes_are_one_message(tmp_path, bent):
    write(tmp_path / "0", {0: 20.0})
    write(tmp_path / "1", {1: 20.0})
    change(tmp_path / "0", {"episodes": bent})
    found = read_results(tmp_path)
    assert "lacks members, or holds something else" in found.notes[0]
    assert found.groups[0].scores == {1: 20.0}


@pytest.mark.parametrize("lists", [None, {}, {"return": [None, 1.0], "length": [1, 2]}])
def test_episodes_that_are_not_known_are_none(tmp_path, lists):
    write(tmp_path, {0: 20.0}, normalised=False)
    change(tmp_path, {"episodes": {"last": lists, "best": None}})
    assert episodes(tmp_path) is None


def test_v_against_the_return_that_came(tmp_path):
    for seed, (promised, came) in enumerate(((10.0, 4.0), (20.0, 8.0))):
        folder = tmp_path / str(seed)
        write(folder, {seed: 1.0})
        last = {"normalized_score": 1.0, "return_mean": 1.0}
        change(folder, {"last": last | {"value_start": promised, "discounted_return": came}})
        rows = [
            f"{update},seed{seed}_alpha1.0,evaluation/{metric},{value * update}"
            for update in (1, 2)
            for metric, value in (("value_start", promised), ("discounted_return", came))
        ]
        (folder / "metrics.csv").write_text("\n".join(["update,member,metric,value", *rows, ""]))
    write(tmp_path / "2", {0: 1.0}, algo="bc")
    section = values(named(tmp_path, read_results(tmp_path)))
    (row,) = section.tables[0].rows
    assert [shown(cell) for cell in row] == [
        "maze", "sql", "15 [10, 20]", "6 [4, 8]", "9 [6, 12]"
    ]  # fmt: skip
    scatter, curve = (picture.figure.axes[0] for picture in section.pictures)
    line = next(line for line in scatter.lines if line.get_label() == "sql")
    assert np.transpose(line.get_data()).tolist() == [[4, 10], [8, 20]]
    (difference,) = curve.lines
    assert np.transpose(difference.get_data()).tolist() == [[1, 9], [2, 18]]


def test_without_values_there_is_no_such_section(tmp_path):
    write(tmp_path, {0: 1.0})
    assert values(named(tmp_path, read_results(tmp_path))) is None


def test_values_are_paired_by_seed(tmp_path):
    """Of a seed whose return is not on record there is no difference, and none with another's."""
    write(tmp_path, {0: 1.0, 1: 2.0})
    rows = [f"{at},seed0_alpha1.0,evaluation/value_start,100" for at in (10, 20)]
    rows += [
        f"{at},seed1_alpha1.0,evaluation/{x},5"
        for at in (10, 20)
        for x in ("value_start", "discounted_return")
    ]
    (tmp_path / "metrics.csv").write_text("\n".join(["update,member,metric,value", *rows, ""]))
    found = read_results(tmp_path)
    (group,) = found.groups
    reader = Curves({"evaluation/value_start", "evaluation/discounted_return"})
    assert reader.by_seed(group, "evaluation/discounted_return") == [{}, {10: 5.0, 20: 5.0}]
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "learning", lambda title, curves, *_: drawn.append(curves))
        overestimation(named(tmp_path, found), "maze")
    ((curve,),) = (curves.values() for curves in drawn)
    assert curve.mean.tolist() == [0.0, 0.0]
