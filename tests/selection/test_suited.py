"""Data that mean something else to the policies than what they were trained on."""

import dataclasses
from typing import Any

import pytest

from ivr.errors import UserError
from ivr.selection.candidates import PolicySet
from ivr.selection.suited import check_suited
from tests.selection.tracking import dataset, policies

KNOWN = {"observation_dim": 1, "action_low": [-1.0], "action_high": [1.0]}


def checked(known: dict[str, Any], scale: float = 1.0, **info: Any) -> None:
    data = dataset(4)
    data = dataclasses.replace(data, info=dataclasses.replace(data.info, **info))
    (group,) = policies().groups
    suited = PolicySet([dataclasses.replace(group, reward_scale=scale)])
    check_suited(suited, [{"dataset": KNOWN | known}], data)


def test_what_agrees_may_be_ranked():
    checked({})
    checked({"action_low": [-1 - 1e-9]})  # float32
    checked({"observation_names": ["x"]}, observation_names=("x",), action_names=("a",))
    checked({}, scale=-2.0, reward_scale=-1.0)


@pytest.mark.parametrize(
    ("known", "info", "said"),
    [
        ({"observation_dim": 2}, {}, "k=-1 takes 2 numbers and gives 1, and tracking has 1 and 1"),
        ({"action_high": [2.0]}, {}, r"between \[-1.0\] and \[2.0\].*dataset\.action_high=\[2\]"),
        (
            {"observation_names": ["x"]},
            {"observation_names": ("y",)},
            r"trained on the observations x, and those of tracking are y",
        ),
        ({}, {"reward_scale": -1.0}, "rewards times 1, and the ranking has them times -1"),
        ({}, {"in_pieces": True}, "pieces of episodes"),
        (
            {"action_names": ["a"]},
            {"action_names": ("b",)},
            r"trained on the actions a, and those of tracking are b",
        ),
    ],
)
def test_what_does_not_is_refused_with_both_sides(known, info, said):
    with pytest.raises(UserError, match=said):
        checked(known, **info)
