"""What a search optimizes: which way, and by logged data alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from ivr.commands import rank, train
from ivr.config.doors import name_run
from ivr.config.selection import RankConfig
from ivr.config.sweep.search import _direction
from ivr.sweeps.index import enlist
from tests.running import SMALL, composed


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("evaluation/score", "maximize"),
        ("rank/lower", "maximize"),
        ("held_out/explained_variance", "maximize"),
        ("held_out/bellman_error", "minimize"),
        ("evaluation/bellman_error", "minimize"),
        ("loss/critic", "minimize"),
    ],
)
def test_errors_are_minimized_and_scores_maximized(metric: str, direction: str) -> None:
    assert _direction(metric) == direction


@pytest.mark.slow
@pytest.mark.usefixtures("small_pointmaze")
def test_a_training_returns_the_lower_bound_of_its_policies(tmp_path: Path, monkeypatch) -> None:
    """The mean over its members, of policies ranked in a folder of its own."""
    parse = RankConfig.parse

    def short(config: object) -> RankConfig:
        found = parse(config)
        few = replace(found.options, num_updates=20, cloning_updates=20, critics=2)
        return replace(found, options=few)

    monkeypatch.setattr(RankConfig, "parse", short)
    ranked = []
    run = rank.run
    monkeypatch.setattr(rank, "run", lambda *given: ranked.append(run(*given)) or ranked[-1])
    words = (
        *SMALL, "algo.hidden=[16,16]", "num_updates=20", "eval_every=20", "seed=[0,1]",
        "optimized_metric=rank/lower",
    )  # fmt: skip
    found = train.run(composed(words), tmp_path, list(words), lambda: None)
    first, second = (policy["lower"] for policy in ranked[0]["policies"])
    assert found == pytest.approx((first + second) / 2)
    assert (tmp_path / "ranking" / "rank.json").is_file()


def test_other_services_show_what_a_run_is(tmp_path: Path) -> None:
    enlist(tmp_path / "night", [["algo=sql", "discount=0.9"]], {"discount"})
    config, job = composed(("algo=iql",)), tmp_path / "night" / "discount-0.9"
    for folder, wanted in (
        (job, {"name": "discount-0.9", "group": "night"}),
        (tmp_path / "2026-01-01", {"name": "iql pointmaze-medium", "group": None}),
    ):
        node = {"name": None, "group": None}
        name_run(node, config, folder)
        assert node == wanted
    mine = {"run_name": "mine"}
    name_run(mine, config, job)
    assert mine == {"run_name": "mine"}
