"""Files that must not run code, and disks that fill up."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from ivr import files
from ivr.errors import UserError
from ivr.files import write_text, write_whole
from ivr.training.checkpoints import load_checkpoint, load_policy, load_resumable

DESCRIPTION = {
    "class": "ivr.algos.bc.BehaviourCloning",
    "arguments": {"seeds": [0], "hidden": [-1]},
    "config": {"dataset": {"name": "arrays", "id": None}},
    "overrides": [],
    "members": [[0, None]],
    "dataset": {
        "name": "arrays",
        "source": "arrays log.npz",
        "fingerprint": "0" * 32,
        "transitions": 20,
        "episodes": 1,
        "observation_dim": 3,
        "action_low": (-1.0,),
        "action_high": (1.0,),
        "env_spec": None,
    },
}
GOOD = {"ivr": DESCRIPTION, "state_dict": {"w": torch.arange(1000.0)}}


class Payload:
    """Runs code when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    path = tmp_path / "last.ckpt"
    write_whole(path, lambda file: torch.save(GOOD, file))
    content = load_checkpoint(path)
    assert torch.equal(content["state_dict"]["w"], GOOD["state_dict"]["w"])
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path):
    path, proof = tmp_path / "last.ckpt", tmp_path / "proof"
    torch.save({**GOOD, "extra": Payload(proof)}, path)
    with pytest.raises(UserError, match="holds code or objects"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps({**GOOD, "extra": Payload(proof)}))
    with pytest.raises(UserError, match=r"last\.ckpt"):
        load_checkpoint(path)
    assert not proof.exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_one_message(tmp_path, share):
    path = tmp_path / "last.ckpt"
    torch.save(GOOD, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        load_checkpoint(path)


def test_a_strange_file_and_a_missing_one(tmp_path):
    with pytest.raises(UserError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="not written by ivr"):
        load_checkpoint(tmp_path / "other.ckpt")


@pytest.mark.parametrize("key", ["class", "arguments", "members", "dataset"])
def test_a_checkpoint_that_lacks_something_says_what(tmp_path, key):
    content = {**GOOD, "ivr": {k: v for k, v in DESCRIPTION.items() if k != key}}
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=f"lacks {key}"):
        load_checkpoint(tmp_path / "last.ckpt")


@pytest.mark.parametrize(
    "change",
    [
        {"class": "os.system"},
        {"class": "ivr.commands.train.train"},
        {"arguments": {"no": "such argument"}},
        {"arguments": "text"},
        {},  # weights of another network
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, change):
    torch.save({**GOOD, "ivr": {**DESCRIPTION, **change}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=r"no algorithm in the package|is damaged"):
        load_policy(tmp_path / "last.ckpt")


def test_only_a_last_checkpoint_can_be_resumed(tmp_path):
    torch.save(GOOD, tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"only last\.ckpt holds the optimizers"):
        load_resumable(tmp_path / "best.ckpt")


def test_a_checkpoint_of_an_earlier_version_is_not_gone_on_from(tmp_path):
    kept = ("updates_done", "global_step", "optimizer_states", "loops", "callbacks")
    training = dict(zip(kept, (3, 3, [], {}, {}), strict=True)) | {"sums": {"loss": 1.0}}
    torch.save({**GOOD, **training}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="earlier version"):
        load_resumable(tmp_path / "last.ckpt")


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, step):
    path = tmp_path / "result.json"
    write_text(path, "old")
    monkeypatch.setattr(files.os, step, full)
    with pytest.raises(UserError, match="No space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_disk_that_fills_up_inside_torch_save(tmp_path):
    """/dev/full fails every write, as a full disk does."""
    with pytest.raises(UserError, match="cannot write"):
        write_whole(
            tmp_path / "last.ckpt", lambda _: torch.save({"w": torch.ones(10**6)}, "/dev/full")
        )
    assert not list(tmp_path.iterdir())
