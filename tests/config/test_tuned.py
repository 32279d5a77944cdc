"""Published hyperparameters of the results table's 18 datasets, as they are composed."""

import functools
import math
from typing import Any

import pytest
import torch

from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR, choices
from ivr.losses.divergences import q_logarithm
from tests.running import composed

BODIES = ("halfcheetah", "hopper", "walker2d")
LOCOMOTION = [
    f"{body}-{kind}" for kind in ("medium", "medium-replay", "medium-expert") for body in BODIES
]
ANTMAZE = [
    f"antmaze-{maze}"
    for maze in (
        "umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"
    )
]  # fmt: skip
KITCHEN = ["kitchen-complete", "kitchen-partial", "kitchen-mixed"]
TABLE = [*LOCOMOTION, *ANTMAZE, *KITCHEN]


def parsed(*words: str) -> TrainConfig:
    return TrainConfig.parse(composed(words))


@functools.cache
def alphas(algo: str, protocol: str = "released") -> dict[str, Any]:
    words = (f"algo={algo}", f"protocol={protocol}")
    found = {name: parsed(*words, f"dataset={name}").alpha for name in TABLE}
    return {name: alpha for name, (alpha,) in found.items()}


def test_every_dataset_of_the_table_has_a_name():
    assert len(TABLE) == 18 and set(TABLE) <= set(choices("dataset"))


def test_the_released_temperatures():
    """MuJoCo, AntMaze, Kitchen: SQL 1, 0.1, 0.5 and EQL 2, 0.5, 2; umaze-diverse 3 and 5."""
    for algo, (mujoco, antmaze, diverse, kitchen) in {
        "sql": (1, 0.1, 3, 0.5),
        "eql": (2, 0.5, 5, 2),
    }.items():
        expected = dict.fromkeys(LOCOMOTION, mujoco) | dict.fromkeys(ANTMAZE, antmaze)
        expected |= {"antmaze-umaze-diverse": diverse} | dict.fromkeys(KITCHEN, kitchen)
        assert alphas(algo) == expected


def test_the_rebuttals_temperatures_in_the_units_of_equation_11():
    """A quarter of the rebuttal's 2, 5 (medium-expert), 0.5, 2 (umaze-diverse) and 2 (Kitchen)."""
    expected = dict.fromkeys(LOCOMOTION[:6], 2 / 4) | dict.fromkeys(LOCOMOTION[6:], 5 / 4)
    expected |= dict.fromkeys(ANTMAZE, 0.5 / 4) | {"antmaze-umaze-diverse": 2 / 4}
    assert alphas("sql", "paper") == expected | dict.fromkeys(KITCHEN, 2 / 4)
    assert alphas("eql", "paper") == alphas("eql") | dict.fromkeys(LOCOMOTION[6:], 5)


def test_the_rebuttals_weight_is_equation_13_at_a_quarter_of_its_alpha():
    """[0.5 + (Q - V)/alpha']+ is half of [1 + (Q - V)/(2 alpha)]+ where alpha' = 4 alpha."""
    advantage, alpha = torch.linspace(-3, 3, 61), 0.5
    written_then = (0.5 + advantage / (4 * alpha)).clamp(min=0)
    torch.testing.assert_close(2 * written_then, q_logarithm(1.0).weight(advantage / alpha))


def test_rvs_trains_for_the_epochs_of_its_source():
    """2,000 epochs in batches of 16,384 (the last is smaller); Kitchen 50 of 2,450,000 by 256."""
    transitions = [10**6, 999_906, 999_995, 202_000, 402_000, 302_000]
    transitions += [2 * 10**6, 1_999_906, 1_999_995]
    for name, count in zip(LOCOMOTION, transitions, strict=True):
        config = parsed("algo=rvs", f"dataset={name}")
        assert config.batch_size == 16_384
        assert config.num_updates == 2_000 * math.ceil(count / 16_384)
    for name in KITCHEN:
        config = parsed("algo=rvs", f"dataset={name}")
        assert (config.batch_size, config.num_updates) == (256, math.ceil(50 * 2_450_000 / 256))


def test_the_temperatures_of_extreme_q_learning():
    expected = [1, 5, 10, 1, 2, 5, 1, 2, 2, 2, 5, 0.8, 0.6, 0.6, 0.55, 2, 5, 8]
    found = [
        parsed("algo=xql", f"dataset={name}").algorithm.options["temperature"] for name in TABLE
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("names", "expectile", "temperature", "dropout"),
    [(LOCOMOTION, 0.7, 3, 0), (ANTMAZE, 0.9, 10, 0), (KITCHEN, 0.7, 0.5, 0.1)],
)
def test_implicit_q_learning(names, expectile, temperature, dropout):
    for name in names:
        algo = parsed("algo=iql", f"dataset={name}").algorithm.options
        keys = ("expectile", "temperature", "actor_dropout", "value_layer_norm")
        assert [algo[key] for key in keys] == [expectile, temperature, dropout, False]


@pytest.mark.parametrize("algo", ["cql", "calql"])
@pytest.mark.parametrize(
    ("name", "alpha", "threshold", "max_target", "rate", "reward"),
    [
        ("hopper-medium", 10, None, False, 3e-5, ("return_range", 1, 0)),
        ("walker2d-medium-replay", 10, None, False, 3e-5, ("none", 1, 0)),
        ("antmaze-large-play", 5, 0.8, True, 1e-4, ("scale_shift", 10, -5)),
        ("kitchen-mixed", 5, None, True, 1e-4, ("none", 1, 0)),
    ],
)
def test_conservative_q_learning(algo, name, alpha, threshold, max_target, rate, reward):
    config = parsed(f"algo={algo}", f"dataset={name}")
    options, data = config.algorithm.options, config.data
    assert config.alpha == [alpha]
    assert (options["gap_threshold"], options["max_target"]) == (threshold, max_target)
    assert (options["actor_lr"], options["critic_lr"]) == (rate, 3e-4)
    assert (data.reward, data.reward_scale, data.reward_shift) == reward


def test_calibrated_q_learning_on_kitchen_is_half_as_long():
    for algo, updates in {"calql": 500_000, "cql": 1_000_000}.items():
        assert parsed(f"algo={algo}", "dataset=kitchen-mixed").num_updates == updates


def test_the_networks_of_conservative_q_learning_on_antmaze():
    """CORL's CQL: five layers of 256; the authors' Cal-QL: four, and a policy of two."""
    cql, calql = (
        parsed(f"algo={a}", "dataset=antmaze-umaze").algorithm.options for a in ("cql", "calql")
    )
    assert (len(cql["hidden"]), len(cql["critic_hidden"]), cql["gap_floor"]) == (3, 5, -200)
    assert (len(calql["hidden"]), len(calql["critic_hidden"]), calql["gap_floor"]) == (2, 4, None)


def test_td3_and_imitation():
    algo = parsed("algo=td3bc", "dataset=hopper-medium-replay").algorithm.options
    keys = ("q_weight", "policy_noise", "noise_clip", "policy_delay")
    assert [algo[key] for key in keys] == [2.5, 0.2, 0.5, 2]
    for name, reward in {"walker2d-medium": "none", "antmaze-umaze": "minus_one"}.items():
        assert parsed("algo=td3bc", f"dataset={name}").data.reward == reward


def test_the_returns_that_the_decision_transformer_asks_for():
    targets = {"halfcheetah": 6000, "hopper": 3600, "walker2d": 5000}
    for name in LOCOMOTION:
        algo = parsed("algo=dt", f"dataset={name}").algorithm.options
        target = 12_000 if name == "halfcheetah-medium-expert" else targets[name.split("-")[0]]
        assert (algo["target"], algo["return_scale"]) == (target, 1000)
    algo = parsed("algo=dt", "dataset=antmaze-umaze").algorithm.options
    assert (algo["target"], algo["return_scale"]) == (None, None)


def test_combo():
    """Weights 0.5 and 5; rollouts of 1 for Walker2d and 5 for the others; who falls, ends."""
    weak = {"halfcheetah-medium", *(f"{body}-medium-replay" for body in BODIES)}
    for name in LOCOMOTION:
        config, body = parsed("algo=combo", f"dataset={name}"), name.split("-")[0]
        assert config.alpha == [0.5 if name in weak else 5]
        options = config.algorithm.options
        assert options["rollout_length"] == (1 if body == "walker2d" else 5)
        assert options["termination"] == ("none" if body == "halfcheetah" else body)
        assert config.data.reward == "none"


@pytest.mark.parametrize("algo", ["sql", "eql", "ivr"])
@pytest.mark.parametrize(
    ("name", "rate", "dropout"),
    [("hopper-medium", 3e-4, 0), ("antmaze-large-play", 2e-4, 0), ("kitchen-mixed", 3e-4, 0.1)],
)
def test_learning_rates_and_dropout_of_the_family(algo, name, rate, dropout):
    options = parsed(f"algo={algo}", f"dataset={name}").algorithm.options
    assert {options[f"{network}_lr"] for network in ("value", "actor", "critic")} == {rate}
    assert (options["actor_dropout"], options["value_layer_norm"]) == (dropout, True)


@pytest.mark.parametrize("algo", ["sql", "eql", "ivr", "iql", "xql"])
def test_what_all_in_sample_methods_share(algo):
    config = parsed(f"algo={algo}", "dataset=walker2d-medium")
    assert (config.num_updates, config.discount) == (1_000_000, 0.99)
    assert config.batch_size == {"xql": 1024}.get(algo, 256)
    assert config.algorithm.options["target_tau"] == 0.005 and config.algorithm.options[
        "hidden"
    ] == [
        256,
        256,
    ]


@pytest.mark.parametrize("name", ["antmaze-umaze-diverse", "hopper-medium-expert"])
@pytest.mark.parametrize("protocol", ["released", "paper"])
def test_the_command_line_overrides_every_tuned_value(name, protocol):
    words = (f"dataset={name}", f"protocol={protocol}")
    assert parsed(*words, "alpha=0.7").alpha == [0.7]
    assert (
        parsed(*words, "algo=eql", "alpha=0.7", "algo.actor_lr=0.5").algorithm.options["actor_lr"]
        == 0.5
    )
    assert parsed(*words, "algo=iql", "algo.expectile=0.6").algorithm.options["expectile"] == 0.6


def test_every_tuned_file_belongs_to_an_algorithm_and_a_dataset_or_family():
    """A misspelt name would be skipped without a word: the entries are optional."""
    for path in (CONFIG_DIR / "tuned").rglob("*.yaml"):
        algo, name = path.stem.rsplit("_", 1)
        group = "family" if "family" in path.parts else "dataset"
        assert algo in choices("algo"), path
        assert name in choices(group), path


@pytest.mark.parametrize("algo", ["td3bc", "bcq", "mcq", "combo", "cql", "onestep_reverse_kl"])
def test_what_others_train_on_rewards_as_they_are_gets_them(algo):
    """Only hopper-medium of CQL is scaled, in CORL's configurations."""
    scaled = {
        name
        for name in LOCOMOTION
        if parsed(f"algo={algo}", f"dataset={name}").data.reward != "none"
    }
    assert scaled == ({"hopper-medium"} if algo == "cql" else set())
    assert parsed("algo=sql", "dataset=hopper-medium").data.reward == "return_range"


def test_mildly_conservative_q_learning_has_the_values_of_its_authors_commands():
    """Their Net makes layer_num + 1 hidden layers; mazes have small networks for a short run."""
    for name in (*LOCOMOTION, *ANTMAZE, "pointmaze-medium"):
        options = parsed("algo=mcq", f"dataset={name}").algorithm.options
        assert options["td_weight"] == 0.9
        assert options["hidden"] == ([128, 128] if name == "pointmaze-medium" else [400] * 3)


def test_mildly_conservative_regression_is_to_both_sides_but_in_mazes():
    for dataset, one_sided in (("hopper-medium", False), ("pointmaze-medium", True)):
        assert parsed("algo=mcq", f"dataset={dataset}").algorithm.options["one_sided"] is one_sided
