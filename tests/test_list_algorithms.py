"""The table of all algorithms, printed and documented."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ivr.cli import choices
from ivr.run_algorithms import in_words, row
from ivr.types import Needs
from tests.running import composed

ROOT = Path(__file__).parents[1]


def test_a_row_says_whose_it_is_and_what_it_asks_for():
    algo = composed(("algo=onestep", "dataset=hopper-medium")).algo
    assert row(OmegaConf.to_container(algo, resolve=True)) == (
        "onestep", "algo.temperature", "next actions", "src/ivr/algos/onestep.py",
        "One-step RL (Brandfonbrener et al., NeurIPS 2021): evaluate the data's policy, improve it "
        "once",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (Needs(), "transitions"),
        (Needs(best_fraction=0.1), "the best 10%"),
        (Needs(outcome="goal"), "the goal reached"),
        (Needs(return_discount=0.0, window=5), "returns to go, windows of 5 steps"),
        (Needs(next_actions=True, holdout=0.05), "next actions, 5% held out"),
    ],
)
def test_needs_in_words(needs, words):
    assert in_words(needs) == words


def test_the_command_lists_every_name():
    shown = subprocess.run(
        [sys.executable, "list_algorithms.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == choices("algo")
    refused = subprocess.run(
        [sys.executable, "list_algorithms.py", "sql"], cwd=ROOT, capture_output=True, text=True
    )
    assert refused.returncode == 1 and "knows no words" in refused.stderr


def test_the_page_has_every_name_and_its_file():
    text = (ROOT / "docs" / "algorithms.md").read_text()
    for name in choices("algo"):
        module = composed((f"algo={name}",)).algo["class"].split(".")[-2]
        assert re.search(rf"\| [^|]*`{name}`[^|]* \|", text), name
        assert f"(../src/ivr/algos/{module}.py)" in text
