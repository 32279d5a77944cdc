"""The whole ranking, on a task whose values are known."""

import dataclasses
from typing import Any

import pytest

from ivr.data.serving.datamodule import TransitionDataModule
from ivr.errors import UserError
from ivr.selection.candidates import PolicySet
from ivr.selection.page import page
from ivr.selection.ranking import rank
from ivr.selection.table import WIDTH, as_csv, as_json, table
from tests.selection.tracking import DISCOUNT, GAINS, SMALL, dataset, policies, value

SHORT = dataclasses.replace(SMALL, num_updates=210, cloning_updates=100, hidden=(8,))


def ranked(options: Any = SMALL, **more: Any) -> Any:
    return rank(policies(), dataset(), discount=DISCOUNT, options=options, **more)


@pytest.fixture(scope="module")
def found() -> Any:
    return ranked()


def test_the_estimates_are_the_values_and_the_best_is_recommended(found):
    """Of a range of 2.7, within 0.3; rewards of 0 at most leave nothing above 0."""
    assert [one.candidate.name for one in found.estimates] == ["k=1", "k=0", "k=-1"]
    assert found.best.candidate.name == found.recommendation.name == "k=1"
    assert found.best.gain > 0  # even actions earn -(1/3 + 1/3)/(1 - gamma)
    for one, gain in zip(found.estimates, (1.0, 0.0, -1.0), strict=True):
        for estimated in (one.value, one.doubly_robust):
            assert estimated == pytest.approx(value(gain), abs=0.3)
        assert one.lower <= one.value <= one.upper <= 0
        assert one.own_value is None and one.truth is None


def test_the_behaviours_value_is_that_of_its_episodes(found):
    assert found.behaviour == pytest.approx(-2 / 3 / (1 - DISCOUNT), abs=0.2)


def test_of_a_cost_less_is_better_and_is_ranked_so():
    """The same task with its rewards recorded as costs, which are trained on with a scale of -2."""
    given = dataset()
    info = dataclasses.replace(given.info, reward_scale=-2.0, reward_shift=1.0)
    (group,) = policies().groups
    as_cost = PolicySet([dataclasses.replace(group, reward_scale=-2.0, reward_shift=1.0)])
    trained_on = dataclasses.replace(given, rewards=2 * given.rewards + 1, info=info)
    found = rank(as_cost, trained_on, discount=DISCOUNT, options=SHORT)
    plain = ranked(SHORT)
    assert [one.value for one in found.estimates] == pytest.approx(
        [one.value for one in plain.estimates], abs=1e-4
    )
    assert "of the recorded rewards, times -1" in table(found)
    assert "of the recorded rewards:" in table(plain)


def test_few_episodes_are_said_to_be_too_few():
    few = rank(policies(), dataset(6), discount=DISCOUNT, options=SHORT)
    assert "critics are fitted to 5 episodes" in few.recommendation.trust[0]
    assert all("are fitted to" not in said for said in ranked(SHORT).recommendation.trust)


def test_more_steps_than_the_longest_episode_has_are_no_other_ranking(tmp_path, caplog):
    """And what is made of the critics is made of those that are there."""
    whole = ranked(dataclasses.replace(SHORT, horizon=5), folder=tmp_path)
    with caplog.at_level("INFO"):
        longer = ranked(dataclasses.replace(SHORT, horizon=10**6), folder=tmp_path)
    assert caplog.text.count("resumes from") == 2
    assert longer.estimates == whole.estimates


def test_it_is_shown_in_80_columns_and_on_a_page_without_other_files(found):
    text = table(found)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "recommended: k=1" in text
    html = page(found)
    assert "http" not in html and "<script" not in html and html.count("<tr") == 5
    assert as_csv(found).count("\n") == 4
    assert [p["name"] for p in as_json(found)["policies"]] == ["k=1", "k=0", "k=-1"]


def test_a_ranking_that_was_killed_resumes_to_the_same_bits(tmp_path, monkeypatch, caplog):
    whole = ranked(SHORT)
    batches = TransitionDataModule.batches

    def killed(self: TransitionDataModule, first: int, count: int) -> Any:
        if first >= 200 and self.policy_actions is not None:
            raise RuntimeError("killed")
        return batches(self, first, count)

    monkeypatch.setattr(TransitionDataModule, "batches", killed)
    with pytest.raises(RuntimeError, match="killed"):
        ranked(SHORT, folder=tmp_path)
    monkeypatch.undo()
    with caplog.at_level("INFO"):
        again = ranked(SHORT, folder=tmp_path)
    assert str(tmp_path / "critics" / "last.ckpt") in caplog.text
    assert as_json(again) == as_json(whole)


@pytest.mark.slow
def test_a_checkpoint_of_another_ranking_or_a_damaged_one_is_not_resumed(tmp_path):
    ranked(dataclasses.replace(SHORT, critic_lr=0.1), folder=tmp_path)
    (tmp_path / "clone" / "last.ckpt").write_bytes(b"PK damaged")
    assert as_json(ranked(SHORT, folder=tmp_path)) == as_json(ranked(SHORT))


@pytest.mark.slow
def test_a_policy_alone_is_estimated_as_among_others():
    among = {one.candidate.name: one for one in ranked(SHORT).estimates}
    for gain in GAINS[:2]:
        alone = rank(policies((gain,)), dataset(), discount=DISCOUNT, options=SHORT).estimates[0]
        other = among[alone.candidate.name]
        assert (alone.value, alone.lower) == pytest.approx((other.value, other.lower), abs=1e-4)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"discount": 1.0}, "discount=1.0"),
        ({"truth_episodes": 3}, "no environment"),
        ({"policies": policies(())}, "no policy"),
        ({"dataset": dataset(episodes=1)}, "split=0.1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(more, said):
    given: dict[str, Any] = {"policies": policies(), "dataset": dataset(), "discount": DISCOUNT}
    with pytest.raises(UserError, match=said):
        rank(**given | {"options": SHORT} | more)
