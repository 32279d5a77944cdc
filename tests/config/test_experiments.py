"""The experiments are sweeps whose every run composes."""

from itertools import zip_longest

import pytest
from hydra import compose, initialize_config_dir
from hydra.types import RunMode

from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR, choices
from tests.running import composed


def _sweep(name: str) -> dict[str, list[str]]:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        hydra = compose("config", [f"experiment={name}"], return_hydra_config=True).hydra
    assert hydra.mode == RunMode.MULTIRUN
    return {key: str(words).split(",") for key, words in hydra.sweeper.params.items()}


def test_no_experiment_is_one_run():
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        assert compose("config", [], return_hydra_config=True).hydra.mode != RunMode.MULTIRUN
    assert composed(("experiment=none",)) == composed(())


@pytest.mark.parametrize("name", [name for name in choices("experiment") if name != "none"])
def test_every_run_of_an_experiment_composes(name):
    swept = _sweep(name)
    assert set(swept["algo"]) <= set(choices("algo"))
    # Each value of each word once, beside the others' first: every combination would take long.
    for values in zip_longest(*swept.values()):
        chosen = [v or of[0] for v, of in zip(values, swept.values(), strict=True)]
        words = [f"{key}={value}" for key, value in zip(swept, chosen, strict=True)]
        config = TrainConfig.parse(composed((f"experiment={name}", *words)))
        assert config.algorithm.name == chosen[list(swept).index("algo")]
        # A comparison has three seeds; selection chooses among policies, whatever their seeds.
        assert len(config.seed) >= 3 or name == "selection"


def test_noisy_data_changes_nothing_but_the_share():
    words = ("experiment=noisy_data", "noise.expert_fraction=0.3")
    config = TrainConfig.parse(composed(words))
    assert config.data.name == "hopper-expert" and config.noise.transitions == 100_000
    assert config.data.path.endswith("/hopper-expert.hdf5")
    assert config.noise.source.endswith("/hopper-random.hdf5")
    assert config.data.reward == "scale_shift"  # not that of each mixture's own returns


def test_values_tuned_for_the_dataset_hold_in_an_experiment():
    inside, outside = (
        TrainConfig.parse(composed((*words, "subset=heavy_tail", "algo=iql")))
        for words in (("experiment=small_data",), ("dataset=pointmaze-medium",))
    )
    assert (
        inside.algorithm.options == outside.algorithm.options
        and inside.num_updates == outside.num_updates
    )
    assert inside.subset == outside.subset
