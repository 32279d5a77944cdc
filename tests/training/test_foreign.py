"""Checkpoints may come from anywhere: none runs code, names a path, or ends in a traceback."""

import copy
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from ivr.config.overrides import parse_overrides, text
from ivr.config.resumed import quoted, trusted
from ivr.errors import UserError
from ivr.training.checkpoints import load_policy, load_resumable

WRITTEN = Path(__file__).parents[1] / "fixtures" / "before_rooms" / "last.ckpt"
ESCAPE = "\x1b[31mred"
ENDLESS = torch.zeros(1).expand(10**12)


@pytest.fixture(scope="module")
def sound() -> dict[str, Any]:
    content: dict[str, Any] = torch.load(WRITTEN, weights_only=True)
    return content


def changed(content: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(content)
    *path, last = where.split("/")
    at: Any = content
    for key in path:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[int(last) if isinstance(at, list) else last] = value
    return content


HOSTILE = [
    # A seed and a name become names of files.
    ("ivr/members", [["../../outside", 0.5], [1, 0.5]]),
    ("ivr/members", [[0, "../../outside"], [1, 0.5]]),
    ("ivr/members", [[-1, 0.5], [1, 0.5]]),
    ("ivr/members", [[2**70, 0.5], [1, 0.5]]),
    ("ivr/members", [[0, float("nan")], [1, 0.5]]),
    ("ivr/members", [[0, 0.5], [0, 0.5]]),
    ("ivr/members", []),
    ("ivr/members", [0, 1]),
    ("ivr/config/dataset/name", "../outside"),
    ("ivr/config/dataset/id", "/etc/passwd"),
    ("ivr/config/dataset/id", "a/../../b"),
    # A class, and what its constructor is given.
    ("ivr/class", "os.system"),
    ("ivr/class", "os; import os"),
    ("ivr/class", 3),
    ("ivr/arguments/seeds", [0, 1, 2]),
    ("ivr/arguments/seeds", "01"),
    ("ivr/arguments/hidden", [10**9]),
    ("ivr/arguments/observation_dim", 10**9),
    ("ivr/arguments/alpha", [0.5, float("inf")]),
    ("ivr/arguments", [1]),
    # Facts about the data.
    ("ivr/dataset/action_low", []),
    ("ivr/dataset/action_low", [float("nan")]),
    ("ivr/dataset/source", ESCAPE),
    ("ivr/dataset/env_spec", 3),
    ("ivr/dataset/observation_dim", "3"),
    ("ivr/overrides", "algo=sql"),
    ("ivr/overrides", [["algo=sql"]]),
    ("ivr/float32_products", "sometimes"),
    # Counters and weights.
    ("updates_done", -1),
    ("updates_done", True),
    ("global_step", "4"),
    ("updates", [4, -4]),
    ("state_dict", [1]),
    ("state_dict/critic.layers.0.weight", "weights"),
    ("state_dict/critic.layers.0.weight", ENDLESS),
    ("callbacks", {"EvaluationCallback": [1]}),
    ("callbacks", [1]),
    ("optimizer_states", {}),
    ("optimizer_states", ["Adam"]),
    ("pytorch-lightning_version", ["2"]),
]


@pytest.mark.parametrize(
    ("where", "value"), HOSTILE, ids=[f"{w}-{k}" for k, (w, _) in enumerate(HOSTILE)]
)
def test_what_a_checkpoint_says_is_checked(tmp_path, sound, where, value):
    if where.startswith("state_dict/"):
        where = f"state_dict/{next(iter(sound['state_dict']))}"
    path = tmp_path / "last.ckpt"
    torch.save(changed(sound, where, value), path)
    with pytest.raises(UserError) as error:
        load_policy(path)
    assert str(path) in str(error.value) and "\x1b" not in str(error.value)


def test_the_sound_one_passes(tmp_path, sound):
    path = tmp_path / "last.ckpt"
    torch.save(sound, path)
    policy, _ = load_policy(path)
    assert policy.runs == 2 and load_resumable(path)["updates_done"] == 4


def test_every_flipped_bit_is_found_or_harmless(tmp_path, sound):
    """The checksums of the archive cover the description and the weights."""
    whole, path, rng = WRITTEN.read_bytes(), tmp_path / "last.ckpt", random.Random(0)
    found = 0
    for _ in range(150):
        at = rng.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        try:
            content = load_resumable(path)
        except UserError:
            found += 1
            continue
        for name, weights in sound["state_dict"].items():
            assert torch.equal(content["state_dict"][name], weights)
        assert content["ivr"]["overrides"] == sound["ivr"]["overrides"]
    assert found > 100


@pytest.mark.parametrize("seed", range(4))
def test_a_file_that_is_damaged_in_any_way_is_one_message_or_harmless(tmp_path, seed):
    whole, path, rng = WRITTEN.read_bytes(), tmp_path / "last.ckpt", random.Random(seed)
    for _ in range(30):
        a, b = sorted(rng.randrange(len(whole)) for _ in range(2))
        damaged = rng.choice(
            [whole[:a], whole[a:], whole[:a] + whole[b:], whole[:a] + bytes(b - a) + whole[b:]]
        )
        path.write_bytes(damaged)
        if damaged != whole:
            with pytest.raises(UserError):
                load_resumable(path)


def test_an_archive_that_unfolds_is_refused_before_it_does(tmp_path):
    path = tmp_path / "last.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10**7))
    with pytest.raises(UserError, match="its parts are larger than the file"):
        load_resumable(path)


@pytest.mark.parametrize(
    "name", ["plain", "end\\", "${oc.env:HOME}", "it's", "a\\${b}", "back\\\\slashes\\'", "é ü"]
)
def test_a_folder_of_any_name_can_be_resumed(name):
    """What Hydra and OmegaConf make of the override is the name again."""
    (word,) = parse_overrides([f"hydra.run.dir={quoted(name)}"])
    assert text(word) == name


def test_words_are_said_once_however_often_a_run_was_resumed(tmp_path):
    words = ["algo=sql", "num_updates=4", "algo=sql", "num_updates=8", "alpha=0.5", "algo=sql"]
    assert trusted(tmp_path, words, ["num_updates=9"]) == ["algo=sql", "alpha=0.5"]
