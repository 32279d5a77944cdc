"""A run folder has one owner, and a refused run leaves it as it is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ivr.config.run_files import run_files
from ivr.errors import UserError
from ivr.training import resume
from ivr.training.folder import check_free, owned
from tests.running import SMALL

ROOT = Path(__file__).parents[2]
OWNER = "import sys, time; from pathlib import Path; from ivr.training.folder import owned\n"
OWNER += "with owned(Path(sys.argv[1])):\n    print('mine', flush=True)\n    time.sleep(60)"


def owner(folder: Path) -> subprocess.Popen[str]:
    """A process that owns the folder until it is killed."""
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None and process.stdout.readline() == "mine\n"
    return process


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_second_owner_is_told_of_the_first_and_a_killed_one_gives_it_back(tmp_path):
    first = owner(tmp_path)
    try:
        told = rf"in use by process {first.pid} on .*, since 20"
        with pytest.raises(UserError, match=told), owned(tmp_path):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / ".owner.json").exists(), "killed, it could not remove it"
        with owned(tmp_path):
            assert json.loads((tmp_path / ".owner.json").read_text())["pid"] == os.getpid()
        assert not (tmp_path / ".owner.json").exists()
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize("content", ["{", "[1]", '{"pid": 1}', "\udcff"])
def test_an_owner_that_cannot_be_read_is_another_process(tmp_path, content):
    with owned(tmp_path):
        (tmp_path / ".owner.json").write_bytes(content.encode(errors="surrogateescape"))
        told = "in use by another process"
        with pytest.raises(UserError, match=told), owned(tmp_path):
            pass


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    left = (".result.json.ab12cd_9", ".metrics.csv.abcdefgh", "checkpoints/.last.ckpt.w3k9x0zz")
    kept = ("result.json", ".gitignore", "checkpoints/last.ckpt", ".result.json.bak", "notes.txt")
    for name in left + kept:
        (tmp_path / name).touch()
    with owned(tmp_path):
        pass
    assert all((tmp_path / name).exists() for name in kept)
    assert not any((tmp_path / name).exists() for name in left)


def test_another_run_is_never_written_over(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "checkpoints" / "last.ckpt").touch()
    mine = tmp_path / "a" / "checkpoints" / "last.ckpt"
    check_free(tmp_path / "a", mine)
    check_free(tmp_path / "new", mine)
    check_free(tmp_path / "new", None)
    with pytest.raises(UserError, match="holds a run already"):
        check_free(tmp_path / "a", None)
    with pytest.raises(UserError, match="holds another run"):
        check_free(tmp_path / "b", mine)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "metrics.csv").touch()
    check_free(tmp_path / "killed", None)  # it never came to a checkpoint, and begins again
    with pytest.raises(UserError, match=r"holds another run \(metrics.csv\)"):
        check_free(tmp_path / "killed", mine)


LINKED = [
    "log.txt", "tensorboard", "tensorboard/seed0", "tensorboard/seed0/hparams.yaml", ".hydra",
    ".hydra/config.yaml", "checkpoints",
]  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
def test_a_link_in_the_place_of_an_entry_is_refused(tmp_path, name):
    (tmp_path / "run" / name).parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{name} is a symbolic link"):
        check_free(tmp_path / "run", None)
    with (
        run_files(tmp_path / "run", {"config.yaml": {}}) as files,
        pytest.raises(UserError, match="symbolic link"),
    ):
        files.begin()  # as an evaluation does, which owns no folder
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("small_pointmaze")
def test_a_refused_run_leaves_a_folder_as_it_was(tmp_path):
    """Through the program itself: Hydra writes into the folder before it calls anything."""

    def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        words = (*SMALL, "algo.hidden=[16,16]", "num_updates=4", "eval_every=4", *words)
        command = [sys.executable, "train.py", *words, f"hydra.run.dir={folder}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = start(tmp_path / "run", "alpha=0.5")
    assert done.returncode == 0, done.stderr
    before = contents(tmp_path / "run")
    assert "alpha=0.5" in before[str(tmp_path / "run" / ".hydra" / "overrides.yaml")].decode()
    log = before[str(tmp_path / "run" / "log.txt")].decode()
    assert "run folder" in log and "finished at update 4" in log
    refused = start(tmp_path / "run", "alpha=3", "resume=auto")
    assert refused.returncode == 1 and refused.stderr.count("Error: ") == 1, refused.stderr
    assert contents(tmp_path / "run") == before
    # One that is refused elsewhere leaves no folder behind.
    refused = start(tmp_path / "new", "dataset.metric=tasks")
    assert refused.returncode == 1 and not (tmp_path / "new").exists()


def test_what_another_owner_left_meanwhile_is_resumed_or_kept(tmp_path, monkeypatch):
    """It owned the folder when this process first looked, and ended before this one owned it."""

    @contextmanager
    def owned_late(folder: Path) -> Iterator[None]:
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").touch()
        yield

    monkeypatch.setattr(resume, "owned", owned_late)
    with resume.resumable(tmp_path / "a", "auto") as found:
        assert found == tmp_path / "a" / "checkpoints" / "last.ckpt"
    with (
        pytest.raises(UserError, match="holds a run already"),
        resume.resumable(tmp_path / "b", None),
    ):
        pass
