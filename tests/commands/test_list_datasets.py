"""The table of all datasets, printed and documented."""

import subprocess
import sys
from pathlib import Path

import pytest

from ivr.commands import list_datasets as run_listing
from ivr.commands.list_datasets import DOCUMENT, aligned, documented, markdown, row, whereabouts
from ivr.config.search import choices
from tests.running import composed

MINARI = {"source": "minari", "id": "D4RL/kitchen/mixed-v2"}
D4RL = {"source": "d4rl", "id": "gym_mujoco_v2/hopper_medium-v2.hdf5"}


def test_the_documented_table_is_the_present_one():
    text = DOCUMENT.read_text()
    assert documented(text) == text, "renew docs/datasets.md: python list_datasets.py docs"
    assert all(f"\n| {name} |" in text for name in choices("dataset"))


def test_a_row_holds_what_a_score_hangs_on():
    config = composed(("dataset=walker2d-medium-replay",)).dataset
    assert row(config) == (
        "walker2d-medium-replay", "d4rl", "gym_mujoco_v2/walker2d_medium_replay-v2.hdf5 (D4RL)",
        "return_range", "Walker2d-v4", "1000", "return", "1.629008 to 4592.3",
    )  # fmt: skip


def test_columns_have_one_width():
    lines = [("a", "b", "c"), ("long", "x", "")]
    assert aligned(lines) == "a     b  c\nlong  x"
    assert markdown(lines) == "| a | b | c |\n| --- | --- | --- |\n| long | x |  |\n"


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    monkeypatch.setattr(run_listing, "_answers", lambda host, port: host == "huggingface.co")
    for name in ("HF_ENDPOINT", "MINARI_REMOTE", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def test_data_are_found_or_fetched_or_missing(places):
    assert whereabouts(MINARI) == "from https://huggingface.co"
    assert whereabouts(D4RL) == (
        f"from https://huggingface.co/datasets/imone/D4RL/resolve/main/{Path(D4RL['id']).name}"
    )
    assert whereabouts({"source": "arrays", "id": None}) == "you name them"
    made = {"source": "generated", "id": "ivr/pointmaze-umaze-v0"}
    random = {"source": "generated", "id": "ivr/hopper-random-v0"}
    assert whereabouts(made) == whereabouts(random) == "made on first use"
    for folder in (MINARI["id"], made["id"]):
        data = places / "minari" / folder / "data"
        data.mkdir(parents=True)
        (data / "metadata.json").touch()
    (places / "d4rl" / random["id"]).mkdir(parents=True)
    (places / "d4rl" / "hopper_medium-v2.hdf5").touch()
    assert whereabouts(MINARI) == str(places / "minari" / MINARI["id"])
    assert whereabouts(made) == str(places / "minari" / made["id"])
    assert whereabouts(random) == str(places / "d4rl" / random["id"])
    assert whereabouts(D4RL) == str(places / "d4rl" / "hopper_medium-v2.hdf5")


def test_data_that_no_server_has_are_missing(places, monkeypatch):
    monkeypatch.setattr(run_listing, "_answers", lambda host, port: False)
    nowhere = "missing: rail.eecs.berkeley.edu and huggingface.co do not answer"
    assert whereabouts(D4RL) == nowhere
    assert whereabouts(MINARI) == "missing: huggingface.co does not answer"


def test_the_command_prints_every_name_and_source(places, monkeypatch, capsys):
    run_listing.run([])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split()[:2] for line in lines[1:-2]]
    assert list(dict.fromkeys(name for name, _ in rows)) == choices("dataset")
    sources = {name: [s for n, s in rows if n == name] for name, _ in rows}
    assert sources["antmaze-large-play"] == ["minari", "d4rl", "generated"]
    assert sources["kitchen-mixed"] == ["minari", "d4rl"]
    assert sources["hopper-medium"] == ["d4rl"]
    assert sources["hopper-random"] == ["generated", "d4rl"]
    assert sources["pointmaze-umaze"] == ["generated"]
    assert lines[-1].startswith("Environments of gymnasium ")
    with pytest.raises(SystemExit, match="its only argument is docs"):
        run_listing.run(["hopper"])


_SLOW = ("torch", "pytorch_lightning", "h5py", "gymnasium", "mujoco", "minari")


@pytest.mark.parametrize("module", ["ivr.config.command_line", "ivr.commands.list_datasets"])
def test_what_answers_at_once_imports_nothing_slow(module):
    """Torch and Lightning alone take seconds, before which no message could come."""
    code = f"import sys, {module}; print([m for m in {_SLOW} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n" and done.stderr == ""


_AT_ONCE = [
    (["evaluate", "checkpoint=nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
    (["evaluate", "checkpoint=made", "episodes=few"], "episodes=few: must be a whole number"),
    (["evaluate", "checkpoint=made", "env=5"], "env=5: must be a text, or null"),
    (["evaluate", "checkpoint=made", "class=[a]"], "class=['a']: must be a text, or null"),
    (["train", "halving.factor=3", "halving.first=50000", "halving.by=score"], "halving.by=score"),
    (["evaluate", "--help"], "told: 0"),
    (["inspect_data", "show=all"], "show=all: must be a whole number"),
    (["inspect_data", "dataset=arrays", "dataset.path=no.csv"], "dataset.path=no.csv does not"),
    (["generate", "dataset=hopper-medium"], "dataset=hopper-medium is not made here"),
    (["report", "folder=nowhere"], "folder=nowhere is not a folder"),
    (["train", "seed=x"], "seed=x: must be a whole number"),
    (["finetune", "checkpoint=nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
    (["list_algorithms", "sql"], "its only argument is docs"),
    # Without a network.
    (["train", "dataset=hopper-medium"], "Cannot download hopper_medium-v2.hdf5: no network"),
    (["train", "dataset=minari", "dataset.id=a/b-v0"], "Cannot download a/b-v0: no network"),
    (["train", "dataset=pointmaze-umaze", "dataset.source=d4rl"], "D4RL publishes no"),
    (["train", "dataset=hopper-medium", "dataset.path=[no]"], "dataset.path=no does not"),
]

_MAIN = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("unreachable")
socket.create_connection = refuse
from ivr.config.command_line import main
for words in {calls}:
    sys.argv = words
    try:
        main(words[0])
    except SystemExit as end:
        print("told:", str(end.code).replace(chr(10), " "))
sys.argv = ["list_algorithms"]
main("list_algorithms")
print([module for module in {slow} if module in sys.modules])
"""


def test_help_and_bad_values_are_answered_before_anything_slow_is_imported(tmp_path):
    code = _MAIN.format(calls=[words for words, _ in _AT_ONCE], slow=(*_SLOW, "matplotlib"))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    lines = done.stdout.splitlines()
    told = [line for line in lines if line.startswith("told:")]
    for line, (words, says) in zip(told, _AT_ONCE, strict=True):
        assert says in line, words
    assert lines[-1] == "[]" and "Traceback" not in done.stderr
    left = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert left == [], "a refused run leaves no file"


_OFFLINE = """
import runpy, socket, sys
def refuse(*args, **kwargs):
    raise OSError("unreachable")
socket.create_connection = refuse
sys.argv = ["train.py", *sys.argv[1:]]
try:
    runpy.run_path("train.py", run_name="__main__")
finally:
    print("torch" in sys.modules)
"""


def test_without_a_network_training_ends_before_torch_is_imported(tmp_path):
    """Through the root script, with its status and its one message."""
    root = Path(run_listing.__file__).parents[3]
    words = ["dataset=antmaze-medium-play", f"hydra.run.dir={tmp_path}"]
    command = [sys.executable, "-c", _OFFLINE, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 1 and done.stdout == "False\n"
    says = "Error: Cannot download D4RL/antmaze/medium-play-v1: no network"
    assert done.stderr.startswith(says) and "Traceback" not in done.stderr
