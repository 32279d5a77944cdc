"""The table of all algorithms, printed and documented."""

import re

import pytest
from omegaconf import OmegaConf

from ivr.commands import list_algorithms as run_listing
from ivr.commands.list_algorithms import DOCUMENT, documented, in_words, known, row
from ivr.commands.list_algorithms import run as run_algorithms
from ivr.config.search import choices
from ivr.types import Needs
from tests.running import composed


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


def test_the_documented_table_is_the_present_one():
    text = DOCUMENT.read_text()
    assert documented(text) == text, "renew docs/algorithms.md: python list_algorithms.py docs"


@pytest.mark.parametrize("columns", [80, 60, 200])
def test_every_name_is_listed_in_the_width_of_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    run_algorithms([])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert [line.split()[0] for line in lines if line[0] != " "] == choices("algo")


def test_every_name_has_its_line_on_the_page():
    page = DOCUMENT.read_text()
    assert [one.algo for one in known()] == choices("algo")
    for one in known():
        assert re.search(rf"\| [^|]*`{one.algo}`[^|]* \|", page) and f"(../{one.file})" in page


def test_a_page_without_its_table_is_one_message(tmp_path, monkeypatch):
    page = tmp_path / "algorithms.md"
    page.write_text(f"{run_listing.BEGIN}| a | b |\n| - | - |\n| torn |\n")
    monkeypatch.setattr(run_listing, "DOCUMENT", page)
    with pytest.raises(SystemExit, match=r"damaged: python list_algorithms\.py docs"):
        run_algorithms([])


def test_a_word_is_refused():
    with pytest.raises(SystemExit, match="its only argument is docs"):
        run_algorithms(["sql"])
