"""Words that open a node, misspelt ones, and numbers as people write them."""

import pytest

from ivr.config.arguments import prepare
from ivr.config.values import whole
from ivr.errors import UserError, nearest
from tests.running import composed


@pytest.mark.parametrize(
    "words",
    [
        ["dataset.env_kwargs.use_contact_forces=true"],
        ["dataset.env_kwargs={use_contact_forces: true}"],
        ["+dataset.env_kwargs.use_contact_forces=true"],
        ["++dataset.env_kwargs.use_contact_forces=true"],
    ],
)
def test_an_argument_of_an_environment_can_be_written_in_any_way(words):
    for dataset in ("arrays", "hopper-medium"):
        prepared = prepare([f"dataset={dataset}", *words])
        assert composed(tuple(prepared)).dataset.env_kwargs == {"use_contact_forces": True}


def test_an_argument_of_an_environment_joins_those_that_are_there():
    before = composed(("dataset=kitchen-mixed",)).dataset.env_kwargs
    prepared = prepare(["dataset=kitchen-mixed", "dataset.env_kwargs.mine=3"])
    assert composed(tuple(prepared)).dataset.env_kwargs == {**before, "mine": 3}


@pytest.mark.parametrize(
    ("key", "meant"),
    [("algo=SQL", "sql"), ("env=Toy-v0", "dataset.env"), ("actor_lr=1", "algo.actor_lr")],
)
def test_a_misspelt_word_names_what_was_meant(key, meant, capsys):
    with pytest.raises(SystemExit, match=rf"did you mean .*{meant}"):
        prepare([key])


def test_a_name_that_is_near_none_of_many_does_not_list_them_all():
    assert nearest("zzz", [f"name{k}" for k in range(100)]) == (
        ": none of 100 names is near, --help lists them"
    )
    assert nearest("zzz", ["b", "a"]) == ": there is a, b"


def test_a_whole_number_may_be_written_with_an_exponent():
    assert whole("num_updates", 1e4) == 10_000 and type(whole("num_updates", 1e4)) is int
    for bad in (1.5, 0.0, -1e3, float("inf"), float("nan"), True, "1e4"):
        with pytest.raises(UserError, match="must be a whole number from 1"):
            whole("num_updates", bad)


def test_one_run_is_not_resumed_by_every_job_of_a_sweep():
    with pytest.raises(SystemExit, match="resumes one run: leave --multirun out"):
        prepare(["--multirun", "resume=outputs/x/checkpoints/last.ckpt", "algo=sql,eql"])


def test_a_run_has_one_algorithm():
    with pytest.raises(
        SystemExit, match=r"algo=\[bc,sql\]: .* algo=bc, or of each a run: algo=bc,sql"
    ):
        prepare(["algo=[bc,sql]"])
    with pytest.raises(SystemExit, match=r"one subset in a run. Give subset=best$"):
        prepare(["subset=[best]"])
    assert "callbacks=[device_stats,early_stopping]" in prepare(
        ["callbacks=[device_stats,early_stopping]"]
    )
