"""A search by Optuna proposes the same, however often it is stopped, and finds the best."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ivr.errors import UserError

pytestmark = pytest.mark.engines

SEARCH = ("hparams_search=optuna", "sweep=night", "hydra.sweeper.n_trials=9")
SPACE = ("alpha=tag(log,interval(0.01,10))", "batch_size=choice(8,16)")


def parabola(config: DictConfig) -> float:
    """Best at alpha = 1, whatever the size of a batch."""
    return -((config.alpha - 1) ** 2)


def alphas(folder: Path) -> list[float]:
    """Of the trials, in their order."""
    import optuna

    trials = optuna.load_study(study_name="ivr", storage=f"sqlite:///{folder}/study.db").trials
    assert all(trial.state.name == "COMPLETE" for trial in trials)
    return [trial.params["alpha"] for trial in trials]


def test_a_search_finds_the_best_and_draws_what_mattered(sweep, tmp_path: Path) -> None:
    ran, said = sweep(*SEARCH, *SPACE, value=parabola)
    found = alphas(tmp_path / "night")
    assert len(ran) == len(found) == 9
    best = max(-((alpha - 1) ** 2) for alpha in found)
    assert f"best evaluation/score: {best:.4g} with alpha=" in said
    assert "importance of alpha: " in said
    assert (tmp_path / "night" / "importance.png").read_bytes().startswith(b"\x89PNG")
    assert sweep(*SEARCH, *SPACE, value=parabola)[0] == [], "all trials are there"


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(sweep, tmp_path: Path) -> None:
    sweep(*SEARCH, *SPACE, value=parabola)
    whole = alphas(tmp_path / "night")
    (tmp_path / "night").rename(tmp_path / "whole")
    calls = []

    def killed(config: DictConfig) -> None:
        calls.append(config.alpha)
        if len(calls) in (2, 6):
            raise KeyboardInterrupt

    for _ in range(3):
        with suppress(KeyboardInterrupt):
            sweep(*SEARCH, *SPACE, also=killed, value=parabola)
    assert alphas(tmp_path / "night") == whole
    assert len(calls) == 11, "each killed trial is run again, no other"


def test_failures_are_trials_without_a_value(sweep: Callable[..., tuple[list[str], str]]) -> None:
    def fail(config: DictConfig) -> None:
        raise ValueError("ill")

    ran, said = sweep(*SEARCH[:2], "hydra.sweeper.n_trials=2", "alpha=interval(1,2)", also=fail)
    end = "no trial has a value; job.json in its folder says why. failed=retry tries them again\n"
    assert len(ran) == 2 and said.endswith(f"Error: {end}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hydra.sweeper.n_trials=0",), "n_trials=0: must be a whole number from 1"),
        (("hydra.sweeper.sampler=grid",), "sampler=grid: must be tpe or random"),
        (("alpha=tag(log,interval(0,1))",), "alpha="),
    ],
)
def test_what_cannot_be_searched_is_refused(sweep, words, said: str) -> None:
    ran, out = sweep(*SEARCH[:2], *words, value=parabola)
    assert ran == [] and said in out, json.dumps(out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("batch_size=choice(8,32)",), "batch_size: "),
        (("algo.target_tau=choice(0.005,0.01)",), "holds a study of batch_size"),
        ((SPACE[1], "algo=iql"), "holds a study with algo=its default, not iql"),
        ((SPACE[1], "optimized_metric=loss/value"), "choose another"),
        (
            (SPACE[1], "optimized_metric=evaluation/return_mean"),
            "optimized_metric=evaluation/score",
        ),
    ],
)
def test_another_search_in_the_same_folder_is_refused(sweep, words, said: str) -> None:
    """Its values could not stand beside those that are there."""
    sweep(*SEARCH[:2], SPACE[1], "hydra.sweeper.n_trials=1", value=parabola)
    ran, out = sweep(*SEARCH, *words, value=parabola)
    assert ran == [] and said in out and "Traceback" not in out, json.dumps(out)


def test_a_proposal_that_was_never_finished_is_made_anew(sweep, tmp_path: Path) -> None:
    """Killed between the trial and its options: with defaults it would be another trial."""
    import optuna

    sweep(*SEARCH[:2], *SPACE, "hydra.sweeper.n_trials=1", value=parabola)
    storage = f"sqlite:///{tmp_path}/night/study.db"
    optuna.load_study(study_name="ivr", storage=storage).ask()
    ran, _ = sweep(*SEARCH[:2], *SPACE, "hydra.sweeper.n_trials=3", value=parabola)
    assert len(ran) == 2 and all("alpha-" in name and "batch_size-" in name for name in ran)


def test_failed_trials_are_tried_again_on_request(sweep, tmp_path: Path) -> None:
    """As after an outage: the same proposals, each once for a command that asks."""
    lost: list[float] = []

    def outage(config: DictConfig) -> None:
        lost.append(config.alpha)
        raise UserError("the drive is gone")

    words = (*SEARCH[:2], "hydra.sweeper.n_trials=2", *SPACE)
    ran, said = sweep(*words, also=outage, value=parabola)
    assert len(ran) == 2 and "failed=retry tries them again" in said
    assert sweep(*words, value=parabola)[0] == []
    found: list[float] = []
    sweep(*words, "failed=retry", also=lambda c: found.append(c.alpha), value=parabola)
    assert found == lost
    assert sweep(*words, "failed=retry", value=parabola)[0] == []
