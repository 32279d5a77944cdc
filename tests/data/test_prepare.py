"""Noise, then a subset, then the rewards: what statistics are of, and what stays clean."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ivr.config.schema import TrainConfig
from ivr.data.prepare import CLEAN_SAMPLE, clean_sample, prepare
from ivr.data.spec import DataSpec
from ivr.data.transforms.mixing import Mix
from ivr.data.transforms.normalisation import Standard
from ivr.data.transforms.subsets import Best, Fraction
from ivr.errors import UserError
from ivr.types import Needs
from tests.data.dataset_making import encoded
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.running import composed


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str]:
    """Rewards 100 k + t of episode k: experts return 10, 510, 1010; noise a tenth, less 5."""
    episodes = [Made(5, "timeout")] * 3
    noise = encoded_columns(episodes)
    noise["rewards"] = noise["rewards"] / 10 - 1
    return {
        "experts": str(write_d4rl(tmp_path / "experts.hdf5", encoded_columns(episodes))),
        "noise": str(write_d4rl(tmp_path / "noise.hdf5", noise)),
    }


def spec(path: str, reward: str = "none", **more: Any) -> DataSpec:
    return DataSpec(name="x", source="d4rl_hdf5", path=path, view="flat", reward=reward, **more)


def test_without_transforms_the_data_are_what_load_dataset_gives(sources, tmp_path):
    data = prepare(spec(sources["experts"], "return_range"), cache=tmp_path, progress=False)
    assert data.training is data.clean
    assert data.training.rewards[:2].tolist() == [0, 1]  # 1000 t / (1010 - 10)


def test_the_range_of_returns_is_that_of_the_data_trained_on(sources, tmp_path):
    """Experts return 10, 510, 1010. Noise: 10 / 10 - 5 = -4 and more; best: 510, 1010."""
    experts = spec(sources["experts"], "return_range")
    everything = Mix(0.5, sources["noise"])
    mixed = prepare(experts, everything, cache=tmp_path, progress=False)
    assert mixed.training.info.reward_scale == pytest.approx(1000 / 1014)
    best = prepare(experts, None, Best(0.67), cache=tmp_path, progress=False)
    assert best.training.info.reward_scale == pytest.approx(1000 / 500)
    both = prepare(experts, everything, Best(0.34), cache=tmp_path, progress=False)
    assert sorted(both.training.episode_returns.tolist()) == [510, 1010]
    assert both.training.info.reward_scale == pytest.approx(1000 / 500)
    for data in (mixed, best, both):
        # The clean data are whole, without noise, and on the scale that is trained on.
        assert data.clean.num_transitions == 15
        assert data.clean.info.reward_scale == data.training.info.reward_scale
        expected = torch.tensor([100.0 * k + t for k in range(3) for t in range(5)])
        torch.testing.assert_close(data.clean.rewards, expected * data.clean.info.reward_scale)


def test_scale_and_shift_compose_with_noise_and_subset(sources, tmp_path):
    experts = spec(sources["experts"], "scale_shift", reward_scale=0.5, reward_shift=-1.0)
    data = prepare(
        experts, Mix(0.5, sources["noise"]), Fraction(0.5), cache=tmp_path, progress=False
    )
    plain = prepare(
        replace(experts, reward="none", reward_scale=1.0, reward_shift=0.0),
        Mix(0.5, sources["noise"]), Fraction(0.5), cache=tmp_path, progress=False,
    )  # fmt: skip
    assert torch.equal(data.training.rewards, 0.5 * plain.training.rewards - 1)
    assert data.training.info.fingerprint != plain.training.info.fingerprint
    assert data.training.info.subset["kept_transitions"] == 15
    assert data.training.info.noise["expert_transitions"] == 15


def test_every_choice_changes_the_fingerprint(sources, tmp_path):
    many = encoded_columns([Made(5, "timeout")] * 12)
    experts = spec(str(write_d4rl(tmp_path / "many.hdf5", many)))
    noise = sources["noise"]

    def made(mix=None, subset=None):
        return prepare(experts, mix, subset, cache=tmp_path, progress=False).training

    prints = [
        data.info.fingerprint
        for data in (
            made(), made(Mix(0.5, noise)), made(Mix(0.4, noise)), made(Mix(0.4, noise, seed=1)),
            made(None, Fraction(0.5)), made(None, Fraction(0.4)), made(None, Fraction(0.4, seed=1)),
            made(Mix(0.5, noise), Fraction(0.5)),
        )
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)


def test_noise_that_is_not_there_or_does_not_fit_is_named(sources, tmp_path):
    experts = spec(sources["experts"])
    with pytest.raises(UserError, match=r"noise\.source=.*nowhere"):
        prepare(experts, Mix(0.5, str(tmp_path / "nowhere.hdf5")), cache=tmp_path, progress=False)
    columns = encoded_columns([Made(5, "timeout")] * 2)
    for name in ("observations", "next_observations"):
        columns[name] = np.repeat(columns[name], 2, axis=1)
    wide = write_d4rl(tmp_path / "wide.hdf5", columns)
    with pytest.raises(UserError, match=r"\(4, 2\) numbers, and x of \(2, 2\)"):
        prepare(experts, Mix(0.5, str(wide)), cache=tmp_path, progress=False)


def test_the_clean_sample_is_the_same_every_time_and_serves_what_is_needed():
    dataset = encoded([7] * 1000)
    sample = clean_sample(dataset, Needs(), "cpu")
    assert sample.rewards.shape == (CLEAN_SAMPLE,) and sample.next_actions is None
    assert len(sample.rewards.unique()) == CLEAN_SAMPLE
    assert torch.equal(sample.rewards, clean_sample(dataset, Needs(), "cpu").rewards)
    # Of the best only some are trained on; clean data are of all.
    followed = clean_sample(dataset, Needs(next_actions=True, best_fraction=0.1), "cpu")
    assert torch.equal(followed.next_actions, followed.actions + 1)
    assert followed.rewards.min() < 1000


def test_the_statistics_are_those_of_the_transitions_that_are_trained_on():
    """Rows 0, 1 | 3, 4, 5 are the observations of transitions; of the selected 1, 3: mean 2."""
    fitted = Standard(0.5).fit(encoded([2, 3]), torch.tensor([1, 2]))
    assert fitted == {"input_mean": [2.0, -2.0], "input_scale": [1.5, 1.5]}
    # Rows 0, 1, 3, 4, 5: mean 13 / 5, variance (0 + 1 + 9 + 16 + 25) / 5 - (13 / 5)^2.
    whole = Standard(1e-9).fit(encoded([2, 3]), None)
    assert whole["input_mean"] == pytest.approx([2.6, -2.6])
    assert whole["input_scale"] == pytest.approx([3.44**0.5] * 2)


@pytest.mark.parametrize("constant", [0.0, 7.0, 0.1])
def test_a_constant_dimension_keeps_its_scale(constant):
    """Divided by epsilon, an error of 1e-3 in it would be one of 1e3 to COMBO's model."""
    dataset = encoded([2, 3])
    dataset.observations[:, 1] = constant
    fitted = Standard(1e-6).fit(dataset, None)
    assert fitted["input_scale"] == [pytest.approx(3.44**0.5 + 1e-6), 1.0]
    assert fitted["input_mean"][1] == pytest.approx(constant)


def test_an_epsilon_of_zero_is_refused():
    with pytest.raises(UserError, match=r"normalize\.epsilon=0"):
        Standard(0.0)


def test_a_tiny_unit_is_normalised_like_any_other(tmp_path):
    """A flow in cubic metres a second beside a temperature, with the default of one's own data."""
    flow = np.random.default_rng(0).uniform(0, 2e-6, 60)
    np.savez(
        tmp_path / "log.npz", observations=np.stack([flow, 1e6 * flow], 1),
        actions=np.linspace(0, 1, 60)[:, None], rewards=np.ones(60), episode=np.arange(60) // 20,
    )  # fmt: skip
    words = ("dataset=arrays", f"dataset.path={tmp_path / 'log.npz'}")
    config = TrainConfig.parse(composed(words))
    with pytest.warns(UserWarning, match="the data's own bounds"):
        dataset = prepare(config.data).training
    scale = config.normalize.fit(dataset, None)["input_scale"]
    assert scale[0] == pytest.approx(1e-6 * scale[1], rel=1e-4) and 1e-7 < scale[0] < 1e-6
