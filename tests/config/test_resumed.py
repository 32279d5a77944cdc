"""A resumed run keeps what it was trained with, where a default has changed since."""

from pathlib import Path

import pytest

from ivr.config.resumed import pinned, trusted
from ivr.config.schema import TrainConfig
from ivr.config.search import Search
from ivr.errors import UserError
from ivr.training.record import FIXED
from tests.running import composed

WORDS = ["algo=cql", "dataset=hopper-medium", "algo.target_tau=0.01"]


def trained(*words: str) -> dict:
    """What a checkpoint records of a run with these words."""
    config = TrainConfig.parse(composed(tuple(words)))
    return {key: config.plain[key] for key in (*FIXED, "num_updates")}


@pytest.mark.parametrize(
    "then",
    [
        (),
        ("normalize=none",),  # another choice of a group
        ("normalize=standard_1e-6",),  # the same kind, with other options
        ("subset=fraction", "subset.keep=0.25"),
        ("protocol=paper", "precision=bf16", "batch_size=64", "num_updates=7"),
        ("alpha=[0.5,2]", "seed=[3,4]", "discount=0.9"),
        ("algo.hidden=[8]", "algo.log_std_range=[-5,2]", "algo.critic_hidden=[4,4]"),
        ("dataset.reward=none", "dataset.env=Hopper-v5", "++dataset.env_kwargs.mine='two words'"),
    ],
)
def test_composed_with_its_pins_a_run_is_what_was_trained(then):
    before = trained(*WORDS, *then)
    words = pinned(before, ["resume=x"], WORDS, Search())
    assert len(words) == len(WORDS) + len(then)
    assert trained(*words) == before


def test_a_run_of_the_time_before_version_4_is_resumed_in_version_5():
    before = trained(*WORDS)
    assert before["dataset"]["env"] == "Hopper-v4"
    before["dataset"] = before["dataset"] | {"env": "Hopper-v5"}
    words = pinned(before, ["resume=x"], WORDS, Search())
    assert words == ["dataset.env='Hopper-v5'", *WORDS] and trained(*words) == before


def test_what_is_given_is_not_pinned():
    before = trained(*WORDS, "algo.actor_lr=0.1", "normalize=none", "batch_size=4")
    given = ["batch_size=8", "normalize=standard"]
    words = pinned(before, given, [*WORDS, *given], Search())
    assert words == ["algo.actor_lr=0.1", *WORDS, *given]


@pytest.mark.parametrize(
    ("node", "key", "value"),
    [
        ("algo", "class", "os.system"),
        ("dataset", "env", "some.module:Id-v0"),
        ("dataset", "reward", "${oc.env:HOME}"),
        ("dataset", "env_kwargs", {"xml_file": "/etc/passwd"}),
    ],
)
def test_nothing_that_a_checkpoint_records_runs_or_reaches_out(node, key, value):
    before = trained(*WORDS)
    before[node] = before[node] | {key: value}
    with pytest.raises(UserError, match="which can run code"):
        pinned(before, [], WORDS, Search())


def test_an_option_that_is_new_since_has_its_default():
    before = trained(*WORDS)
    del before["algo"]["log_std_range"], before["dataset"]["metric"]
    assert pinned(before, [], WORDS, Search()) == WORDS


def test_an_option_that_is_new_since_was_not_tuned():
    """It has the constructor's default, whatever its value for the dataset is by now."""
    words = ["algo=iql", "dataset=pointmaze-medium"]
    before = trained(*words)
    assert before["algo"].pop("target_tau") == 0.05
    assert pinned(before, [], words, Search()) == ["algo.target_tau=0.005", *words]
    given = ["algo.target_tau=0.05"]
    assert pinned(before, given, [*words, *given], Search()) == [*words, *given]


def test_a_run_of_its_own_does_not_repeat_the_sweep_that_it_came_from():
    recorded = ["algo=iql", "sweep=night", "launcher=ray", "hparams_search=optuna", "failed=retry"]
    assert trusted(Path("last.ckpt"), recorded, []) == ["algo=iql"]
