"""Scales that networks learn little from, and outliers that stretch bounds, are said by name."""

import dataclasses

import numpy as np
import pytest

from ivr.data.remarks import remarks, scales, strange
from tests.data.loading import load_dataset


def _data(path, pressure=1.0, spike=0.0):
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(600, 2)) * [1, 0.1] + [pressure, 0.5]
    actions = rng.uniform(0, 1, (600, 1))
    actions[5] += spike
    np.savez(
        path / "a.npz", observations=observations, actions=actions, rewards=np.ones(600),
        truncated=np.arange(600) % 20 == 19, terminated=np.zeros(600),
        observation_names=np.array(["pressure_Pa", "level_m"]), action_names=np.array(["valve"]),
    )  # fmt: skip
    keys = {"name": "x", "source": "arrays", "path": path / "a.npz", "view": "flat"}
    with pytest.warns(UserWarning, match="the data's own bounds"):
        return load_dataset(**keys, cache=path / "cache")


def test_a_pressure_beside_a_level_is_said_unless_it_is_normalised(tmp_path):
    data = _data(tmp_path, pressure=105_000)
    (said,) = remarks(data, normalised=False)
    assert "pressure_Pa is about 1.05e+05, level_m 0.5" in said and "normalize=standard" in said
    assert remarks(data, normalised=True) == []


def test_ordinary_data_are_passed_over(tmp_path):
    assert remarks(_data(tmp_path), normalised=False) == []


def test_an_outlier_that_stretches_the_bounds_is_said(tmp_path):
    (said,) = remarks(_data(tmp_path, spike=500), normalised=False)
    assert "99 % of valve lie between 0.0" in said and "dataset.actions=clip" in said


def test_a_code_for_a_missing_value_is_said(tmp_path):
    data = _data(tmp_path)
    seen = data.observations.clone()
    seen[[7, 300], 1] = -9999
    (said,) = remarks(dataclasses.replace(data, observations=seen), normalised=True)
    assert said.startswith("99 % of level_m lie between 0") and "-9999" in said


@pytest.mark.parametrize(
    ("sizes", "found"),
    [([1, 1, 2000], True), ([1, 1, 99], False), ([0, 0, 5], False), ([1e-3] * 3 + [2], True)],
)
def test_sizes_are_compared_with_what_is_usual(sizes, found):
    assert bool(scales(sizes, ())) == found


@pytest.mark.parametrize(("share", "said"), [(0.009, True), (0.03, False)])
def test_a_code_that_stands_on_one_side_is_seen_up_to_one_percent(share, said):
    seen = np.random.default_rng(0).normal(20, 1, (5000, 2))
    seen[: round(share * 5000), 1] = -9999
    (found,) = [strange(seen, ("a", "temp"))]
    assert any("99 % of temp lie between" in one for one in found) == said
    assert not any("99 % of a lie" in one for one in found)
