"""Folders of jobs are named after what differs, whatever the order of the words."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_test
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ivr.config.search import CONFIG_DIR
from ivr.sweeps.names import INCIDENTAL, choose_name, same_job, settings

WORDS = ["algo=sql", "dataset=pointmaze-umaze", "seed=[0,1]", "num_updates=100"]


@pytest.mark.parametrize(
    ("swept", "name"),
    [
        (["algo", "dataset"], "algo-sql_dataset-pointmaze-umaze"),
        (["dataset", "algo"], "algo-sql_dataset-pointmaze-umaze"),
        (["seed"], "seed-0+1"),
        ([], "algo-sql_dataset-pointmaze-umaze_num_updates-100_seed-0+1"),
    ],
)
def test_a_name_says_what_differs(swept: list[str], name: str) -> None:
    assert choose_name(settings(WORDS), swept, {}) == name


def test_the_order_of_words_and_what_is_incidental_change_nothing() -> None:
    shuffled = [*WORDS, "device=cpu", "resume=auto", "logger=csv", "trainer.profiler=simple"]
    random.Random(0).shuffle(shuffled)
    assert settings(shuffled) == settings(WORDS)
    assert list(settings(shuffled)) == ["algo", "dataset", "num_updates", "seed"]
    assert settings(["alpha=1", "alpha=2"]) == {"alpha": "2"}  # as Hydra has it


def test_what_is_swept_over_is_what_a_job_is() -> None:
    words = [*WORDS, "compile=true", "callbacks=none", "callbacks.early_stopping.patience=3"]
    kept = settings(words, {"compile", "callbacks.early_stopping.patience"})
    assert kept == settings(WORDS) | {"compile": "true", "callbacks.early_stopping.patience": "3"}


def test_an_incidental_group_sets_nothing_that_a_job_is() -> None:
    files = [path for group in INCIDENTAL for path in (CONFIG_DIR / group).glob("*.yaml")]
    found = [path for path in files if "@package _global_" in path.read_text()]
    assert {path.parent.name for path in found} == {"hparams_search", "launcher"}
    for path in found:
        assert OmegaConf.load(path).keys() <= {*INCIDENTAL, "defaults", "hydra"}, path.name


def test_a_longer_run_is_the_same_job_unless_lengths_are_compared() -> None:
    longer = settings([*WORDS[:3], "num_updates=200"])
    assert same_job(settings(WORDS), longer)
    assert not same_job(settings(WORDS), longer, swept=["num_updates"])
    assert not same_job(settings(WORDS), settings([*WORDS, "discount=0.9"]))


def test_jobs_that_differ_elsewhere_have_names_that_say_so() -> None:
    taken = {"algo-sql": settings(["algo=sql", "dataset=a"])}
    assert choose_name(settings(["algo=sql", "dataset=b"]), ["algo"], taken) == (
        "algo-sql_dataset-b"
    )
    assert re.fullmatch(
        r"algo-sql-[0-9a-f]{8}", choose_name(settings(["algo=sql"]), ["algo"], taken)
    )


def test_paths_and_long_values_are_cut_and_told_apart() -> None:
    names = [
        choose_name({"dataset.path": f"/data/{place}/log.npz"}, ["dataset.path"], {})
        for place in ("a", "b")
    ]
    assert all(re.fullmatch(r"dataset\.path-log\.npz-[0-9a-f]{8}", name) for name in names)
    assert names[0] != names[1]
    long = choose_name({f"algo.option_{k}": "0.123456789" for k in range(9)}, [], {})
    assert len(long) == 100


@settings_of_test(max_examples=40)
@given(st.dictionaries(st.sampled_from(["algo", "alpha", "x.y"]), st.text(max_size=60), min_size=1))
def test_any_name_is_one_for_a_folder(of: dict[str, str]) -> None:
    name = choose_name(of, [], {})
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9.+_-]{0,99}", name), name
