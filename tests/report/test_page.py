"""The page of a report: everything in it, nothing outside, and text stays text."""

import csv
from html.parser import HTMLParser

import numpy as np
import pytest

from ivr.commands.report import run as run_report
from ivr.report.comparison import datasets_table, improvement_table
from ivr.report.gathering.curves import Curves, read_metrics
from ivr.report.gathering.results import read_results
from ivr.report.named import named
from ivr.report.output.tables import Estimate, Table, shown
from ivr.report.scores import scores_table
from ivr.report.statistics.aggregate import scores_of
from ivr.report.statistics.averages import average
from tests.report.making import write
from tests.running import composed


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text += data


def over_datasets(folder) -> tuple[Table, Table]:
    """Dataset x algorithm, and the probability of improvement of each pair."""
    found = named(folder, read_results(folder))
    scores = scores_of(found.groups, found.names)
    return datasets_table(found, scores), improvement_table(scores)


def test_the_page_holds_everything_and_text_stays_text(tmp_path):
    curve = {0: {10: 1.0, 20: 3.0}, 1: {10: 3.0, 20: 5.0}}.__getitem__
    hostile = "<script>alert(1)</script>{{ 7*7 }} $\\frac{$"
    facts = {"versions": {"torch": "2.13.0"}, "git_commit": "c0ffee" * 6, "wall_seconds": 7200.0}
    facts |= {"overrides": ["algo=sql", "seed=[0,1]"], "dataset_fingerprint": "f" * 64}
    for place, (dataset, algo) in enumerate(
        (("maze", "sql"), ("maze", "../../bc"), (hostile, "sql"), (hostile, "../../bc"))
    ):
        more = {"dataset": dataset, "algo": algo, "curve": curve} | facts
        write(tmp_path / str(place), {0: 10.0, 1: 20.0}, **more)
    words = (f"folder={tmp_path}",)
    run_report(composed(words, "report"), tmp_path, list(words))
    page = Page((tmp_path / "report.html").read_text())
    assert page.sources and all(source.startswith("data:image/svg") for source in page.sources)
    assert "script" not in page.tags and hostile in page.text
    for said in ("python train.py algo=sql 'seed=[0,1]'", "torch 2.13.0", "c0ffeec0ff", "f" * 64):
        assert said in page.text
    for title in ("Last scores", "Which algorithm is better", "Learning curves", "Cost"):
        assert title in page.text
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"scores.csv", "scores.tex", "datasets.csv", "profiles.svg", "profiles.png"} <= written
    assert "learning_maze.png" in written and all("/" not in name for name in written)
    rows = list(csv.DictReader((tmp_path / "report" / "scores.csv").open()))
    assert {(float(r["mean"]), float(r["mean low"]), float(r["mean high"])) for r in rows} == {
        (15.0, 10.0, 20.0)
    }
    assert all(str(tmp_path.parent) not in path.name for path in tmp_path.rglob("*"))


def test_two_hundred_results_have_the_statistics_that_arithmetic_gives_them(tmp_path):
    """4 algorithms x 5 datasets x 10 seeds, a file each."""
    algos, datasets = ("a", "b", "c", "d"), [f"set{i}" for i in range(5)]
    rng = np.random.default_rng(3)
    truth = {(a, d): rng.integers(0, 101, 10).astype(float) for a in algos for d in datasets}
    for (algo, dataset), scores in truth.items():
        for seed, score in enumerate(scores):
            place = tmp_path / f"{algo}{dataset}{seed}"
            write(place, {seed: score}, algo=algo, dataset=dataset, alpha=None)
    found = named(tmp_path, read_results(tmp_path))
    assert sum(len(group.runs) for group in found.groups) == 200
    scores = scores_table(found)
    for row in scores.rows:
        facts = dict(zip(scores.header, row, strict=True))
        runs = np.sort(truth[facts["algorithm"], facts["dataset"]])
        assert facts["mean"].value == pytest.approx(runs.sum() / 10)
        assert facts["IQM"].value == pytest.approx(runs[2:8].sum() / 6)  # int(10 / 4) = 2
        low, high = facts["mean"].interval
        # The normal interval: 1.96 standard errors, of the standard deviation over n.
        half = 1.96 * runs.std() / np.sqrt(10)
        assert (low, high) == pytest.approx((runs.mean() - half, runs.mean() + half), abs=3.5)
    by_dataset, pairs = over_datasets(tmp_path)
    over = {row[0]: row[1:] for row in by_dataset.rows}
    for place, algo in enumerate(algos):
        runs = np.sort(np.concatenate([truth[algo, dataset] for dataset in datasets]))
        assert over["mean over datasets"][place].value == pytest.approx(runs.mean())
        assert over["IQM over datasets"][place].value == pytest.approx(runs[12:38].mean())
    for x, y, cell in pairs.rows:
        wins = [
            (p > q) + 0.5 * (p == q) for d in datasets for p in truth[x, d] for q in truth[y, d]
        ]
        assert cell.value == pytest.approx(np.mean(wins))


def test_an_algorithm_that_lacks_a_dataset_is_not_averaged_over_datasets(tmp_path):
    for algo, dataset in (("a", "x"), ("a", "y"), ("b", "x"), ("c", "x"), ("c", "y")):
        write(tmp_path / (algo + dataset), {0: 10.0, 1: 20.0}, algo=algo, dataset=dataset)
    found, pairs = over_datasets(tmp_path)
    mean = "15.0 [10.0, 20.0]"
    assert [shown(cell) for cell in found.rows[1]] == ["y", mean, "–", mean]
    assert found.rows[2][2] is None and isinstance(found.rows[2][1], Estimate)
    assert "b is not in them: it lacks y." in found.note
    assert [row[:2] for row in pairs.rows] == [["a", "c"]]


def test_the_papers_columns_stand_beside_certified_scores_only(tmp_path):
    for dataset, status in (("hopper-medium", "exact"), ("walker2d-medium", "differs")):
        source = {"dataset_source": f"d4rl {dataset}-v2.hdf5", "certificate": {"status": status}}
        write(tmp_path / dataset, {0: 70.0}, dataset=dataset, **source)
        write(tmp_path / f"{dataset}x", {0: 70.0}, dataset=dataset, algo="xql", **source)
    found, _ = over_datasets(tmp_path)
    assert found.header == ["dataset", "sql", "sql (paper)", "xql"]
    assert [shown(cell) for cell in found.rows[0]] == ["hopper-medium", "70.0", "75.5±3.4", "70.0"]
    assert [shown(cell) for cell in found.rows[1]] == ["walker2d-medium", "70.0", "–", "70.0"]


def test_curves_are_means_over_seeds_at_their_common_updates(tmp_path):
    curves = {0: {10: 1.0, 20: 3.0, 30: 9.0}, 1: {10: 3.0, 20: 7.0}}
    write(tmp_path / "0", {0: 1.0}, curve=curves.__getitem__)
    write(tmp_path / "1", {1: 1.0}, curve=curves.__getitem__)
    (group,) = read_results(tmp_path).groups
    found = average(Curves({"evaluation/score"}).of(group, "evaluation/score"))
    assert (found.updates, found.mean.tolist(), found.seeds) == ([10, 20], [2, 5], 2)
    assert [bound.tolist() for bound in found.interval] == [[1, 3], [3, 7]]


def test_what_is_no_row_of_metrics_is_passed_over(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(
        b"update,member,metric,value\n10,seed0,a,1.5\n10,seed0,b,7\n-1,seed0,a,1\nx,seed0,a,1\n"
        b"20,seed0,a,nan\n30,seed0,a,\xff\n40,seed0,a,2,3\n50,seed0,a\n"
        + b"9" * 5000
        + b",\n60,seed0,a,2.5"
    )
    assert read_metrics(path, {"a"}) == {("seed0", "a"): {10: 1.5, 60: 2.5}}
    assert read_metrics(tmp_path / "none.csv", {"a"}) == {}
