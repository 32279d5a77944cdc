"""Successive halving: who goes on, and that nobody trains otherwise because others have stopped."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.commands import train as train_command
from ivr.errors import UserError
from ivr.selection import fitting
from ivr.training.halving import halve
from ivr.training.rungs import RANKED, Halving
from tests.running import composed, train

WORDS = (
    "seed=[0,1,2]",
    "alpha=[0.1,1.0]",
    "num_updates=16",
    "eval_every=4",
    "log_every=2",
    "halving.factor=2",
    "halving.first=4",
    "halving.by=evaluation/bellman_error",
)
ALL = {(seed, alpha) for seed in (0, 1, 2) for alpha in (0.1, 1.0)}


@given(st.integers(2, 5), st.integers(1, 20), st.integers(1, 2000))
def test_rungs_are_the_first_times_powers_of_the_factor(factor, first, num_updates):
    rungs, update = [], 0
    while (rung := Halving(factor, first).next_rung(update, num_updates)) is not None:
        rungs.append(rung)
        update = rung
    powers = [first * factor**i for i in range(12)]
    assert rungs == [rung for rung in powers if rung < num_updates]
    assert [u for u in range(1, num_updates) if Halving(factor, first).is_rung(u)] == rungs


def test_the_order_is_by_score_then_by_best_and_those_that_diverged_come_last():
    measures = {"evaluation/score": [1.0, 2.0, math.nan, 2.0, 9.0], "loss/actor": [5, 4, 3, 2, 1]}
    best, diverged = [8.0, 2.0, 3.0, 5.0, 9.0], [None, None, None, None, {"update": 3}]
    assert Halving(2, 4).order(measures, best, diverged) == [3, 1, 0, 2, 4]
    assert Halving(2, 4, "loss/actor").order(measures, [], [None] * 5) == [4, 3, 2, 1, 0]
    with pytest.raises(UserError, match=r"halving.by=loss/actr.*did you mean loss/actor"):
        Halving(2, 4, "loss/actr").order(measures, best, diverged)


def test_a_halving_that_could_compare_nothing_is_refused_at_once():
    Halving(2, 4).check(evaluated=True, split=False)
    Halving(2, 4).check(evaluated=False, split=True)
    with pytest.raises(UserError, match="nothing is held out"):
        Halving(2, 4, "held_out/bellman_error").check(evaluated=True, split=False)
    with pytest.raises(UserError, match="no environment to score members in"):
        Halving(2, 4).check(evaluated=False, split=False)


def train_on_arrays(folder, *words):
    """Train without an environment on ten episodes of noise, two of which are held out."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "log.npz",
        observations=rng.normal(size=(200, 3)),
        actions=rng.uniform(-1, 1, (200, 2)),
        rewards=rng.normal(size=200),
        truncated=np.arange(1, 201) % 20 == 0,
    )
    words = [
        "algo=sql",
        "algo.hidden=[8]",
        "dataset=arrays",
        f"dataset.path={folder}/log.npz",
        *words,
    ]
    words += ["split=0.2", "batch_size=16", "device=cpu", "compile=false"]
    return train_command.train(composed(tuple(words)), folder / "run", words)


@pytest.mark.slow
def test_members_are_compared_on_held_out_episodes_without_an_environment(tmp_path):
    words = ("seed=[0,1,2,3]", "num_updates=8", "eval_every=4")
    result = train_on_arrays(tmp_path, *words, "halving.factor=2", "halving.first=4")
    at = [m["held_out"]["last"]["update"] for m in result["members"]]
    assert at == [8, 8, 4, 4]
    assert [m.get("stopped", {}).get("place") for m in result["members"]] == [None, None, 3, 4]


@pytest.mark.slow
def test_eight_that_go_on_are_bit_equal_to_what_they_are_beside_sixteen(tmp_path):
    """In one thread, not compiled, where the numbers of members are multiples of eight."""
    words = (f"seed={[*range(16)]}", "num_updates=30", "eval_every=10", "algo.hidden=[64,64]")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_on_arrays(tmp_path / "all", *words)
        train_on_arrays(tmp_path / "halved", *words, "halving.factor=2", "halving.first=20")
    finally:
        torch.set_num_threads(threads)
    stack, halved = state(tmp_path / "all" / "run"), state(tmp_path / "halved" / "run")
    assert len(halved["ivr"]["members"]) == 8
    kept = [stack["ivr"]["members"].index(member) for member in halved["ivr"]["members"]]
    for name, weights in halved["state_dict"].items():
        assert torch.equal(weights, stack["state_dict"][name][kept]), name


@pytest.fixture(scope="module")
def halved(tmp_path_factory, small_pointmaze):
    """A halving of six members at updates 4 and 8, and the same six without it."""
    folder = tmp_path_factory.mktemp("halving")
    return train(folder / "halved", *WORDS), train(folder / "all", *WORDS[:5]), folder


def state(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_the_best_train_on_as_they_would_beside_all_the_others(halved):
    result, together, folder = halved
    ended = {(m["seed"], m["alpha"]): m["stopped"] for m in result["members"] if "stopped" in m}
    (winner,) = {(m["seed"], m["alpha"]) for m in result["members"]} - set(ended)
    assert ended.keys() | {winner} == ALL, "all six are in the result, once"
    # 6 members, half of which stop at 4, and of the other 3 all but one at 8.
    assert sorted(stopped["update"] for stopped in ended.values()) == [4, 4, 4, 8, 8]
    scores = json.loads((folder / "all" / "result.json").read_text())
    assert result["members"][0]["last"]["bellman_error"] == pytest.approx(
        next(
            m["last"]["bellman_error"]
            for m in together["members"]
            if (m["seed"], m["alpha"]) == winner
        ),
        rel=1e-4,
    )
    assert scores["updates_done"] == result["updates_done"] == 16
    alone, stack = state(folder / "halved"), state(folder / "all")
    k = [tuple(member) for member in stack["ivr"]["members"]].index(winner)
    for name, weights in alone["state_dict"].items():
        torch.testing.assert_close(weights[0], stack["state_dict"][name][k], rtol=1e-4, atol=1e-5)


def test_those_that_stop_are_not_the_best_and_keep_their_scores_and_policies(halved):
    result, _, folder = halved
    rows = [line.split(",") for line in (folder / "halved" / "metrics.csv").read_text().split()]
    for update, rung in ((4, 1), (8, 2)):
        at = {
            label: float(value)
            for at, label, metric, value in rows[1:]
            if at == str(update) and metric == "evaluation/bellman_error"
        }
        ended = [m for m in result["members"] if m.get("stopped", {}).get("update") == update]
        labels = [f"seed{m['seed']}_alpha{m['alpha']}" for m in ended]
        assert len(at) == len(labels) + len(at) // 2, "rows of all that were there"
        assert min(at[label] for label in labels) >= max(
            error for label, error in at.items() if label not in labels
        )
        for member in ended:
            shown = at[f"seed{member['seed']}_alpha{member['alpha']}"]
            assert member["last"]["bellman_error"] == pytest.approx(shown)
        kept = torch.load(
            folder / "halved" / "checkpoints" / f"rung{rung}_last.ckpt", weights_only=True
        )
        assert kept["updates_done"] == update
        assert len(kept["ivr"]["members"]) == len(at)


@pytest.mark.parametrize(
    "moment",
    ["before the members stop", pytest.param("after they stopped", marks=pytest.mark.slow)],
)
def test_a_run_that_is_killed_at_a_rung_resumes_to_the_same_bits(
    halved, tmp_path, monkeypatch, small_pointmaze, moment
):
    _, _, folder = halved

    def killed(*arguments):
        if moment != "before the members stop":
            halve(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_command, "halve", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, *WORDS)
    result = train(tmp_path, *WORDS, "resume=auto")
    expected, found = state(folder / "halved"), state(tmp_path)
    assert found["ivr"]["stopped"] == expected["ivr"]["stopped"]
    assert [len(m.get("stopped", {})) for m in result["members"]] == [0, 4, 4, 4, 4, 4]
    for name, weights in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], weights)


RANKING = (
    "discount=0.99",
    "seed=[0,1,2,3]",
    "num_updates=6",
    "eval_every=3",
    "halving.factor=2",
    "halving.first=3",
    "halving.by=rank/lower",
    "halving.rank={num_updates:120,cloning_updates:2,hidden:[8],critics:2,batch_size:16}",
)


def test_members_go_on_by_what_a_ranking_says_they_are_worth(halved, tmp_path):
    def ranked(checkpoint, folder):
        assert folder == tmp_path / "ranking_at_16"
        return [3.0, 9.0, math.nan, 1.0, 5.0, 8.0]

    halve(Halving(2, 4, RANKED), halved[2] / "all" / "checkpoints" / "last.ckpt", tmp_path, ranked)
    # The stack's own order: seeds fastest.
    assert state(tmp_path)["ivr"]["members"] == [[1, 0.1], [1, 1.0], [2, 1.0]]


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_ranks_resumes_to_the_same_bits(
    tmp_path, monkeypatch, small_pointmaze
):
    """The critics' fit stops behind its checkpoint, at 100 of 120 updates."""
    result = train(tmp_path / "through", *RANKING)

    def ranked(name):
        found = json.loads((tmp_path / name / "ranking_at_3" / "rank.json").read_text())
        assert found["options"]["num_updates"] == 120
        numbers = ("lower", "value", "td_error")
        return {policy["seed"]: [policy[x] for x in numbers] for policy in found["policies"]}

    worth = ranked("through")
    ended = [worth[m["seed"]] for m in result["members"] if "stopped" in m]
    assert len(worth) == 4 and len(ended) == 2
    assert max(ended)[0] <= min(numbers for numbers in worth.values() if numbers not in ended)[0]

    def stop(bar, trainer, *_):
        if trainer.global_step == 120:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting.UpdateProgressBar, "on_train_batch_end", stop)
        with pytest.raises(SystemExit):
            train(tmp_path / "killed", *RANKING)
    assert json.loads((tmp_path / "killed" / "result.json").read_text())["status"] == "interrupted"
    critics = tmp_path / "killed" / "ranking_at_3" / "checkpoints" / "critics"
    assert (critics / "last.ckpt").exists()
    assert not (tmp_path / "killed" / "ranking_at_3" / "rank.json").exists()
    train(tmp_path / "killed", *RANKING, "resume=auto")
    assert ranked("killed") == worth
    expected, found = state(tmp_path / "through"), state(tmp_path / "killed")
    assert found["ivr"]["stopped"] == expected["ivr"]["stopped"]
    for name, weights in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], weights)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["algo=dt"], "halving.by=rank/lower: .* depend on more of an episode"),
        (["discount=1"], "halving.by=rank/lower: it takes a discount below 1"),
        (
            ["halving.by=auto", "halving.rank={critics:3}"],
            "halving.rank is for halving.by=rank/lower, and halving.by=auto",
        ),
        (
            ["subset=heavy_tail", "subset.keep=0.3"],
            "halving.by=rank/lower: it takes whole episodes",
        ),
        (["halving.rank={num_update:3}"], "halving.rank.num_update: did you mean num_updates"),
        (["halving.rank={critics:1}"], "halving.rank.critics=1: an interval takes 2"),
        (["halving.rank=fast"], "halving.rank=fast: must be options of rank.py"),
    ],
)
def test_rankings_that_could_not_be_made_are_refused_before_the_training(
    tmp_path, small_pointmaze, words, message
):
    with pytest.raises(UserError, match=message):
        train(tmp_path, *RANKING[:-1], *words)
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["halving.factor=3"], "halving.first is missing"),
        (["halving.first=4"], "halving.factor is missing"),
        (["halving.factor=1", "halving.first=4"], "halving.factor=1: must be 2 or more"),
        (["halving.factor=2", "halving.first=5"], "halving.first=5: must be a multiple of eval_"),
        (["halving.factor=x", "halving.first=4"], "halving.factor=x: must be a whole number"),
        (
            ["halving.factor=2", "halving.first=4", "halving.by=evaluation/scor"],
            "halving.by=evaluation/scor: must be auto, .* did you mean evaluation/score",
        ),
    ],
)
def test_options_that_make_no_rungs_are_refused(tmp_path, small_pointmaze, words, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, "num_updates=8", "eval_every=2", *words)


def test_another_measure_may_be_chosen_until_members_were_stopped(
    tmp_path, small_pointmaze, caplog
):
    words = ("seed=[0,1]", "eval_every=2", "halving.factor=2", "halving.first=4")
    train(tmp_path, *words, "num_updates=2", "halving.by=held_out/bellman_error", "split=0.2")
    said = "halving.first=4: the run ends after num_updates=2, before any member is stopped"
    assert said in caplog.text
    words = (*words, "halving.by=evaluation/score", "split=0.2", "resume=auto")
    assert train(tmp_path, *words, "num_updates=6")["members"][1]["stopped"]["update"] == 4
    with pytest.raises(UserError, match="but the checkpoint was trained with halving="):
        train(tmp_path, *words, "num_updates=6", "halving.by=evaluation/return_mean")


def test_what_a_foreign_checkpoint_says_of_stopped_members_is_checked(halved, tmp_path):
    content = state(halved[2] / "halved")
    content["ivr"]["stopped"][0]["stopped"] = {"update": "../x", "place": 1, "of": 2, "rung": 1}
    path = tmp_path / "checkpoints" / "last.ckpt"
    path.parent.mkdir()
    torch.save(content, path)
    with pytest.raises(UserError, match=r"ivr\.stopped"):
        halve(Halving(2, 4), path, tmp_path, lambda *_: [])
