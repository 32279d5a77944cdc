"""What going online cost: regret, dips and curves from the training episodes of each run."""

from pathlib import Path

import numpy as np
import pytest

from ivr.online.episodes import Episode, as_csv
from ivr.report.gathering.results import read_results
from ivr.report.named import named
from ivr.report.online import online
from ivr.report.output.sections import Section
from tests.report.making import write

WARMUP, STEPS = 20, 150


def run(folder: Path, algo: str, returns: dict[int, list[float]], **facts) -> None:
    """A run whose members have an episode every ten steps, the first two of the warm-up."""
    schedule = {"warmup_steps": WARMUP, "num_steps": STEPS, "checkpoint": "a.ckpt", **facts}
    evaluation = {"metric": "return", "reference": [10.0, 60.0]}
    write(folder, {seed: 30.0 + seed for seed in returns}, algo=algo, alpha=None,
          online=schedule, evaluation=evaluation)  # fmt: skip
    labels = [f"seed{seed}" for seed in returns]
    episodes = [
        [Episode(10 * (i + 1), 10, total, 0.0, float("nan"), False) for i, total in enumerate(each)]
        for each in returns.values()
    ]
    (folder / "episodes.csv").write_text(as_csv(labels, episodes))
    result = folder / "result.json"
    text = result.read_text().replace('"last"', '"online": {"baseline_return": 25.0}, "last"')
    result.write_text(text)


def section(folder: Path) -> Section:
    found = online(named(folder, read_results(folder)))
    assert found is not None
    return found


def cells(folder: Path) -> dict[str, list[str]]:
    """The summary's cells by row, without their intervals."""
    rows = section(folder).tables[0].rows
    return {str(row[0]): [str(cell).split(" ")[0] for cell in row[2:]] for row in rows}


def test_what_was_lost_is_held_against_the_frozen_rows_policy(tmp_path):
    """J_0 = (40 + 20 + 30)/3 = 30 of all frozen episodes; the range is 60 - 10 = 50.

    After the warm-up ten episodes of 25 and one of 45: regret (10 * 5/50)/11, and a worst dip of
    (30 - 25)/50; the last ten return (9 * 25 + 45)/10 = 27.
    """
    run(tmp_path / "0", "frozen", {0: [40.0, 20.0, 30.0]})
    run(tmp_path / "1", "remodel", {0: [40.0, 20.0, *[25.0] * 10, 45.0]})
    assert cells(tmp_path)["remodel"] == ["30", f"{1 / 11:.3f}", "0.100", "27", "30.0"]
    # Too few episodes for a window of ten.
    assert cells(tmp_path)["frozen"] == ["30", "0.000", "None", "30", "30.0"]


@pytest.mark.parametrize("facts", [{"checkpoint": "b.ckpt"}])
def test_a_frozen_policy_of_another_checkpoint_says_nothing(tmp_path, facts):
    run(tmp_path / "0", "frozen", {0: [40.0, 20.0, 30.0]})
    run(tmp_path / "1", "sac", {0: [0.0, 0.0, 15.0]}, **facts)
    # The run's own warm-up, 25, as result.json has it: (25 - 15)/50.
    assert cells(tmp_path)["sac"][:2] == ["25", "0.200"]


def test_each_seed_is_held_against_its_own(tmp_path):
    run(tmp_path / "0", "frozen", {0: [40.0] * 3, 1: [20.0] * 3})
    run(tmp_path / "1", "sac", {0: [0.0, 0.0, 30.0], 1: [0.0, 0.0, 20.0]})
    summary, each = section(tmp_path).tables
    # Regrets 10/50 and 0; with two seeds the interval reaches from one to the other.
    assert [str(cell) for cell in summary.rows[1][2:4]] == [
        "30 [20, 40]",
        "0.100 [0.000, 0.200]",
    ]
    regrets = {row[1]: str(row[4]) for row in each.rows if row[0] == "sac"}
    assert regrets == {0: "0.200", 1: "0.000"}


def test_a_curve_is_the_mean_of_the_latest_ten(tmp_path):
    run(tmp_path / "0", "sac", {0: [float(i) for i in range(12)]})
    (picture, *_) = section(tmp_path).pictures
    (axes, *_) = picture.figure.axes
    (thin, thick) = axes.get_lines()[1:]
    steps, values = thick.get_data()
    at = dict(zip(np.round(steps), values, strict=True))
    assert at[30] == 1.0 and at[120] == 6.5  # of 0, 1, 2; of 2 to 11
    assert min(steps) >= 10 and np.isnan(thin.get_ydata()[0])


def test_runs_offline_have_no_such_section(tmp_path):
    write(tmp_path / "0", {0: 10.0})
    assert online(named(tmp_path, read_results(tmp_path))) is None


def test_rows_that_are_damaged_are_passed_over(tmp_path):
    run(tmp_path / "0", "sac", {0: [0.0, 0.0, 15.0]})
    path = tmp_path / "0" / "episodes.csv"
    before = cells(tmp_path)
    path.write_text(path.read_text() + "seed0,3,nan,1,2,3,4,0\nseed0,9\nseed0,3,40,1,inf,0,0,0\n")
    assert cells(tmp_path) == before
    path.unlink()
    assert online(named(tmp_path, read_results(tmp_path))) is None
