"""The table of all algorithms, printed and documented."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ivr.commands.list_algorithms import in_words, row
from ivr.commands.list_algorithms import run as run_algorithms
from ivr.config.search import choices
from ivr.types import Needs
from tests.running import composed

ROOT = Path(__file__).parents[2]


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


def test_every_name_is_listed_and_has_its_line_on_the_page(capsys):
    run_algorithms([])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == choices("algo")
    page = (ROOT / "docs" / "algorithms.md").read_text()
    for line in lines:
        (file,) = re.findall(r"src/ivr/algos/\w+\.py", line)
        assert re.search(rf"\| [^|]*`{line.split()[0]}`[^|]* \|", page) and f"(../{file})" in page


def test_a_word_is_refused():
    with pytest.raises(SystemExit, match="takes no options"):
        run_algorithms(["sql"])
