import os
import signal
import subprocess
import sys
import time
from itertools import product

import psutil
import pytest
from omegaconf import OmegaConf

from ivr.commands.generate import run as run_generation
from ivr.config.dataset import parse_dataset
from ivr.config.search import choices
from ivr.data.generation import antmaze, antmaze_d4rl, pointmaze, random_actions
from ivr.data.generation.generated import ensure_generated
from ivr.data.opening import on_this_machine, open_source
from ivr.data.sources.stand_ins import ANTMAZES, GENERATED, stand_in
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.running import composed


@pytest.fixture
def roots(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    return tmp_path


@pytest.fixture
def makers(monkeypatch):
    """Every dataset is made in an instant; gives what was asked for."""
    asked = []

    def make(name, place, *, transitions, dataset_id, progress):
        (place if place.suffix else place / "data").write_text(name)
        asked.append((name, transitions, dataset_id))

    for module in (antmaze, antmaze_d4rl, pointmaze, random_actions):
        monkeypatch.setattr(module, "generate", make)
    return asked


@pytest.mark.parametrize("name", GENERATED)
def test_every_name_is_a_dataset_that_is_made_once_where_it_belongs(name, roots, makers):
    dataset = composed((f"dataset={name}", "dataset.source=generated"), "generate").dataset
    assert dataset.transitions is None and name in choices("dataset")
    place = ensure_generated(name)
    as_file = name.endswith("random")
    root = roots / ("d4rl" if as_file else "minari")
    tail = f"{name}-v0/{name}-v0.hdf5" if as_file else f"{name}-v0"
    assert place == root / "ivr" / tail and place.exists()
    assert ensure_generated(name) == place
    usual = {"umaze": 100_000, "medium": 200_000, "large": 300_000}
    expected = usual[name.split("-")[1]] if name.startswith("point") else 1_000_000
    assert [(number, identity) for _, number, identity in makers] == [(expected, f"ivr/{name}-v0")]
    # Of another size it is another dataset.
    other = ensure_generated(name, 300)
    assert other != place and makers[1][1:] == (300, f"ivr/{name}-300-v0")
    assert ensure_generated(name, expected) == place and len(makers) == 2


@pytest.mark.parametrize("name", [ANTMAZES[0], ANTMAZES[-1]])
def test_a_stand_in_of_d4rls_body_is_a_file_of_its_own_that_is_scored_as_d4rls(name, roots, makers):
    words = (f"dataset={name}", "dataset.source=generated", "dataset.body=d4rl")
    data, task = parse_dataset(OmegaConf.to_container(composed(words).dataset, resolve=True))
    assert not on_this_machine(data)
    place = ensure_generated(name, body=data.body)
    full = f"{name}-d4rl-v0"
    assert place == roots / "d4rl" / "ivr" / full / f"{full}.hdf5" and on_this_machine(data)
    assert ensure_generated(name, 300, body="d4rl").stem == f"{name}-d4rl-300-v0"
    assert makers == [(name, 1_000_000, f"ivr/{full}"), (name, 300, f"ivr/{name}-d4rl-300-v0")]
    assert task.env == f"ivr/D4RLAntMaze-{name.split('-')[1]}-v2" and task.maze is None
    theirs = composed((f"dataset={name}", "dataset.source=d4rl")).dataset
    assert (task.env, task.view, task.goal, task.max_episode_steps) == (
        theirs.env, theirs.view, theirs.goal, theirs.max_episode_steps
    )  # fmt: skip
    plain = composed((f"dataset={name}", "dataset.source=generated")).dataset
    assert plain.env.startswith("AntMaze_") and plain.maze is not None


def test_a_stand_in_of_d4rls_body_has_d4rls_goal(tmp_path):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns([Made(3, "timeout")]))
    keys = {"name": "antmaze-medium-play", "path": str(path), "view": "flat", "cache": tmp_path}
    data = load_dataset(source="generated", body="d4rl", **keys)
    assert data.info.goal == (20.0, 20.0)


def test_a_body_is_of_data_that_are_made_here(tmp_path):
    spec = DataSpec(name="antmaze-umaze", id="D4RL/antmaze/umaze-v1", body="d4rl")
    with pytest.raises(UserError, match=r"dataset\.body=d4rl: only data that are made here have"):
        open_source(spec)
    spec = DataSpec(name="antmaze-umaze", source="generated", body="ant")
    with pytest.raises(UserError, match=r"dataset\.body=ant with dataset=antmaze-umaze: it can be"):
        open_source(spec)


def test_an_unknown_name_and_a_wrong_size_are_refused(roots):
    with pytest.raises(UserError, match=r"name=antmaze-huge is not made here: did you mean antm"):
        ensure_generated("antmaze-huge")
    with pytest.raises(UserError, match=r"dataset\.transitions=0: must be a whole number from 1"):
        ensure_generated("hopper-random", 0)
    assert not list(roots.iterdir())


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ("dataset=antmaze-umaze", "dataset.transitions=5"),
            "dataset=antmaze-umaze dataset.source=generated dataset.transitions=5",
        ),
        (("dataset=hopper-random",), "dataset=hopper-random"),
        (
            ("dataset=antmaze-umaze", "dataset.body=d4rl"),
            "dataset=antmaze-umaze dataset.source=generated dataset.body=d4rl",
        ),
    ],
)
def test_generate_says_where_it_is_and_how_to_train_on_it(roots, makers, capsys, words, command):
    run_generation(composed(words, "generate"), roots, [])
    place, train = capsys.readouterr().out.splitlines()
    assert "not D4RL's" in place and str(roots) in place
    assert train == f"train on it with: python train.py {command}"


def test_generate_refuses_what_is_published_and_says_what_is_made(roots):
    with pytest.raises(UserError) as caught:
        run_generation(composed(("dataset=kitchen-mixed",), "generate"), roots, [])
    assert "kitchen-mixed is not made here" in str(caught.value)
    assert all(name in str(caught.value) for name in GENERATED)


def test_the_stand_in_is_of_the_very_dataset_that_is_missing():
    for name in ANTMAZES:
        config = composed((f"dataset={name}",)).dataset
        command = f"python train.py dataset={name} dataset.source=generated"
        assert stand_in(config.id).endswith(command)
        theirs = composed((f"dataset={name}", "dataset.source=d4rl")).dataset
        assert stand_in(theirs.id, name).endswith(f"{command} dataset.body=d4rl")
    for robot, quality in product(("hopper", "walker2d"), ("medium", "medium-replay")):
        config = composed((f"dataset={robot}-{quality}",)).dataset
        assert stand_in(config.id).endswith(f"python train.py dataset={robot}-random")
    assert "dataset=pointmaze-large dataset" in stand_in("D4RL/pointmaze/large-v2")
    for published in ("D4RL/kitchen/mixed-v2", "D4RL/antmaze/giant-v1", "mujoco/ant/expert-v0"):
        words = stand_in(published)
        assert "another dataset" in words and words.endswith("dataset=pointmaze-medium")


def test_one_that_is_killed_half_way_leaves_nothing_and_no_process(roots):
    code = (
        "from ivr.data.generation.generated import ensure_generated\n"
        "ensure_generated('antmaze-umaze', 10_000_000, progress=False)"
    )
    maker = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
    parent = roots / "minari" / "ivr"
    try:
        deadline = time.monotonic() + 60
        while not list(parent.glob(".building-*/data/main_data.hdf5")):
            assert maker.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        while not (children := psutil.Process(maker.pid).children(recursive=True)):
            assert maker.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    assert {path.name.split("-")[0] for path in parent.iterdir()} == {".building", ".antmaze"}
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    # The next one clears away what it finds.
    ensure_generated("pointmaze-umaze", 300, progress=False)
    assert [path.name for path in parent.iterdir()] == ["pointmaze-umaze-300-v0"]
