"""Sweeps: what is left is done, one failure stops no other, whatever the order of the words."""

import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ivr.config.search import CONFIG_DIR
from ivr.errors import UserError
from ivr.files import DiskFullError, write_whole
from ivr.training.folder import owned

Sweeping = Callable[..., tuple[list[str], str]]


def test_the_same_command_does_the_rest_whatever_the_order(sweep: Sweeping, tmp_path: Path) -> None:
    ran, said = sweep("--multirun", "algo=sql,eql", "discount=0.9")
    assert ran == ["algo-sql", "algo-eql"]
    assert "sweep night: 1 of 2 jobs done, 1 left" in said
    assert "sweep night: 2 of 2 jobs done" in said and "status.py folder=" in said
    ran, _ = sweep("discount=0.9,0.5", "sweep=night", "algo=eql", "device=cpu")
    assert ran == ["algo-eql_discount-0.5"]
    # Longer ones go on.
    words = ("sweep=night", "discount=0.9", "algo=eql")
    assert sweep(*words, "num_updates=20000")[0] == ["algo-eql"]
    # Shorter ones are no longer undone.
    before = (tmp_path / "night" / "sweep.json").read_text()
    for shorter, number in ((("num_updates=9",), "9"), (("num_updates=1e1",), "10"), ((), "10000")):
        ran, said = sweep("sweep=night", "discount=0.9", "algo=eql,iql", *shorter)
        assert not ran and f"num_updates={number}: algo-eql is done, with 20,000 updates" in said
    assert (tmp_path / "night" / "sweep.json").read_text() == before
    assert sweep(*words, "num_updates=20000")[0] == []


@pytest.mark.parametrize("word", ["callbacks=none,early_stopping", "compile=true,false"])
def test_what_is_elsewhere_incidental_makes_jobs_where_it_has_several_values(
    sweep: Sweeping, word: str
) -> None:
    assert len(sweep("sweep=night", word)[0]) == 2
    assert sweep("sweep=night", word)[0] == []


def test_a_trial_of_few_updates_is_not_the_sweep(sweep: Sweeping) -> None:
    assert len(sweep("sweep=night", "alpha=0.5,1", "debug=fast")[0]) == 2
    assert len(sweep("sweep=night", "alpha=0.5,1")[0]) == 2


def fail(config: DictConfig) -> None:
    if config.algo.name == "sql":
        raise UserError("alpha is ill")
    if config.algo.name == "eql":
        raise ZeroDivisionError("nobody foresaw it")


def test_one_failed_job_stops_no_other_and_is_tried_again_on_request(
    sweep: Sweeping, tmp_path: Path
) -> None:
    words = ("sweep=night", "algo=sql,eql,bc")
    ran, said = sweep(*words, also=fail)
    assert ran == ["algo-sql", "algo-eql", "algo-bc"]
    assert "failed: algo-sql: alpha is ill\n" in said
    assert "failed: algo-eql: ZeroDivisionError: nobody foresaw it\n" in said
    assert said.endswith("Error: 2 of 3 jobs failed, as said above\n")
    noted = json.loads((tmp_path / "night" / "algo-eql" / "job.json").read_text())
    assert 'raise ZeroDivisionError("nobody foresaw it")' in noted["traceback"]
    assert sweep(*words)[0] == []
    assert sweep(*words, "failed=retry")[0] == ["algo-sql", "algo-eql"]


@pytest.mark.slow
def test_a_job_that_cannot_be_composed_has_failed(sweep: Sweeping) -> None:
    words = ("sweep=night", "hydra.sweeper.params={algo.expectile:'0.7'}", "algo=eql,iql")
    ran, said = sweep(*words)
    assert ran == ["algo-iql"]
    assert "failed: algo-eql: cannot be composed: Could not override 'algo.expectile'" in said


def test_a_full_disk_is_one_message_and_no_failure(sweep: Sweeping, tmp_path: Path) -> None:
    def full(config: DictConfig) -> None:
        def write(file: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        write_whole(tmp_path / "full" / "result.json", write)

    ran, said = sweep("sweep=night", "algo=sql,eql", also=full)
    assert ran == ["algo-sql"] and said.count("No space left on device") == 1
    assert "The same command does the rest" in said
    assert sweep("sweep=night", "algo=sql,eql")[0] == ["algo-sql", "algo-eql"]


@pytest.mark.slow  # the next test covers most of it
def test_what_another_process_trains_is_left_to_it(sweep: Sweeping, tmp_path: Path) -> None:
    with owned(tmp_path / "night" / "algo-sql"):
        ran, said = sweep("sweep=night", "algo=sql,eql")
        assert ran == ["algo-eql"]
        assert "1 of 2 jobs done, 1 running" in said and "running: algo-sql: process" in said
    assert sweep("sweep=night", "algo=sql,eql")[0] == ["algo-sql"]


def test_a_job_that_another_process_took_meanwhile_is_left_to_it(
    sweep: Sweeping, tmp_path: Path
) -> None:
    """Whose owner then dies: the sweep takes it in the end."""
    taken = owned(tmp_path / "night" / "algo-eql")

    def other(config: DictConfig) -> None:
        if config.algo.name == "sql":
            taken.__enter__()
        if config.algo.name == "bc":
            taken.__exit__(None, None, None)

    ran, said = sweep("sweep=night", "algo=sql,eql,bc", also=other)
    assert ran == ["algo-sql", "algo-eql", "algo-bc", "algo-eql"]
    assert "left to another process: algo-eql" in said and "3 of 3 jobs done" in said


def test_a_sweep_that_is_done_loads_no_torch(sweep: Sweeping, tmp_path: Path) -> None:
    sweep("sweep=night", "algo=sql")
    code = (
        "import sys; sys.argv = ['train.py', 'sweep=night', 'algo=sql', "
        f"'hydra.sweep.dir={tmp_path}/night']\n"
        "from ivr.config.entry import main\nmain('train')\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 of 1 job done" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("word", "said"),
    [("sweep=../x", "a name of letters"), ("sweep=a,b", "a name of"), ("failed=no", "skip or r")],
)
def test_bad_words_are_refused(sweep: Sweeping, tmp_path: Path, word: str, said: str) -> None:
    ran, out = sweep("--multirun", "algo=sql,eql", word)
    assert ran == [] and said in out and not (tmp_path / "night").exists()


def test_a_full_disk_is_known_as_such(tmp_path: Path) -> None:
    def torch_s(file: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 64 vs 0") from None

    with pytest.raises(DiskFullError):
        write_whole(tmp_path / "last.ckpt", torch_s)


def test_a_sweep_lies_in_the_folder_of_its_name_and_without_one_in_one_of_its_second() -> None:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        for program in ("config", "finetune"):
            for words, folder in (
                (["sweep=night"], r"outputs/sweeps/night"),
                ([], r"outputs/sweeps/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\w{6}"),
            ):
                found = compose(program, words, return_hydra_config=True).hydra.sweep.dir
                assert re.fullmatch(folder, found), (program, found)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_failure_of_the_job_wherever_it_is_found(
    sweep: Sweeping, tmp_path: Path, number: int
) -> None:
    def full(config: DictConfig) -> None:
        raise OSError(number, "the disk is full")

    ran, said = sweep("sweep=night", "algo=sql,eql", also=full)
    assert ran == ["algo-sql"] and "Error: cannot write to" in said and "failed" not in said
    assert sweep("sweep=night", "algo=sql,eql")[0] == ["algo-sql", "algo-eql"]
