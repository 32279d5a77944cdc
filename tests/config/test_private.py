"""Configuration and algorithms that somebody keeps outside of this repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ivr
from ivr.config.arguments import prepare
from ivr.config.command_line import main
from ivr.config.search import Search
from ivr.errors import UserError
from ivr.training.checkpoints import load_policy
from tests.api.api_making import SMALL as SMALL_API
from tests.api.api_making import own
from tests.running import SMALL, composed, evaluate, train

ROOT = Path(__file__).parents[2]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch) -> Path:
    """A folder of configuration, and a package whose import leaves a file behind."""
    files = {
        "conf/experiment/mine.yaml": "# @package _global_\nbatch_size: 77\n",
        "conf/algo/mine.yaml": (
            "# @package _global_\ndefaults:\n  - iql\n  - _self_\n"
            "algo:\n  name: mine\n  class: ivr_mine.Mine\n  hidden: [16, 16]\n"
        ),
        "conf/tuned/dataset/mine_arrays.yaml": "# @package _global_\nalgo:\n  expectile: 0.3\n",
        "package/ivr_mine.py": (
            "from pathlib import Path\n"
            "from ivr.algos.iql import ImplicitQLearning\n"
            "Path(__file__).with_name('imported').touch()\n"
            "class Mine(ImplicitQLearning):\n    pass\n"
        ),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path / "package")
    yield tmp_path
    sys.modules.pop("ivr_mine", None)


def test_a_folder_of_ones_own_adds_choices_and_tuned_values(mine):
    words = ["experiment=mine", "algo=mine", "dataset=arrays"]
    for given in (
        ["--config-dir", str(mine / "conf")],
        [f"hydra.searchpath=[{mine / 'conf'}]"],
        [f"hydra.searchpath=[file://{mine / 'conf'}]"],
    ):
        assert set(prepare([*words, *given])) == {*words, *given}
    command = [sys.executable, "train.py", *words, "--config-dir", str(mine / "conf")]
    done = subprocess.run([*command, "--cfg", "job"], cwd=ROOT, capture_output=True, text=True)
    assert "batch_size: 77" in done.stdout and "expectile: 0.3" in done.stdout, done.stderr
    with pytest.raises(SystemExit, match="experiment=mine is unknown"):
        prepare(words)


def test_a_misspelt_private_choice_is_compared_with_private_ones(mine):
    with pytest.raises(SystemExit, match="algo=mime is unknown: did you mean mine"):
        prepare(["algo=mime", f"hydra.searchpath=[{mine / 'conf'}]"])


def test_a_private_file_that_cannot_be_read_is_one_message(mine):
    (mine / "conf" / "experiment" / "mine.yaml").write_text("a: [")
    with pytest.raises(SystemExit, match="Error: "):
        prepare(["experiment=mine", f"hydra.searchpath=[{mine / 'conf'}]"])
    with pytest.raises(SystemExit, match="no such folder"):
        prepare(["--config-dir", str(mine / "nowhere")])


def test_a_private_file_whose_package_is_hidden_is_one_message(mine):
    """Hydra reads no further for it than to the first line of another kind."""
    file = mine / "conf" / "algo" / "mine.yaml"
    file.write_text("# conf/algo/mine.yaml\n" + file.read_text())
    with pytest.raises(
        SystemExit, match=r"algo=mine: its file sets algo\.algo\. Let the first line"
    ):
        prepare(["algo=mine", f"hydra.searchpath=[{mine / 'conf'}]"])


def test_words_may_stand_before_and_after_flags():
    assert prepare(["algo=sql", "--cfg", "job", "seed=1"]) == ["algo=sql", "seed=1", "--cfg", "job"]


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_place_at_home_is_found_there(quote):
    (word,) = prepare([f"hydra.run.dir={quote}~/runs/my run{quote}"])
    assert word == f"hydra.run.dir='{Path.home()}/runs/my run'"
    assert prepare(["dataset.name='a~b'"]) == ["dataset.name='a~b'"]


def test_places_at_home_in_a_list_are_found_there(monkeypatch):
    home = Path.home()
    (word,) = prepare(["dataset=arrays", "dataset.path=[~/a.npz,'~/b c.npz','d~/e.npz']"])[1:]
    assert word == f"dataset.path=[{home}/a.npz,'{home}/b c.npz','d~/e.npz']"
    assert prepare(["-m", "dataset.path=~/a,~/b"])[0] == f"dataset.path={home}/a,{home}/b"
    monkeypatch.setenv("IVR_CACHE", "~/cache")
    monkeypatch.setattr("sys.argv", ["list_algorithms.py"])
    main("list_algorithms")
    assert os.environ["IVR_CACHE"] == f"{home}/cache"


def test_a_glob_is_compared_with_the_choices():
    assert prepare(["-m", "algo=glob(b*)"]) == ["algo=glob(b*)", "-m"]
    with pytest.raises(SystemExit, match=r"algo=glob\(z\*\) matches none of algo: there is bc"):
        prepare(["-m", "algo=glob(z*)"])


def test_a_shell_completes_groups_and_choices():
    assert prepare(["-sc", "install=bash"]) == ["-sc", "install=bash"]
    for line, expected in (("algo=sq", "algo=sql"), ("alph", "alpha=")):
        done = subprocess.run(
            [sys.executable, "train.py", "-sc", "query=bash"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COMP_LINE": f"python train.py {line}"},
        )
        assert done.stdout.split() == [expected]


def test_an_algorithm_of_ones_own_trains_and_is_trusted_by_name_only(mine, small_pointmaze):
    words = ("algo=iql", "algo.class=ivr_mine.Mine", "num_updates=4", "eval_every=4")
    train(mine / "run", *words)
    last = mine / "run" / "checkpoints" / "last.ckpt"
    imported = mine / "package" / "imported"
    assert imported.exists()
    # Another process, to which a checkpoint says what to import.
    imported.unlink()
    sys.modules.pop("ivr_mine")
    with pytest.raises(UserError, match=r"names the class 'ivr_mine\.Mine'.*class="):
        load_policy(last)
    with pytest.raises(SystemExit, match=r"algo\.class=ivr_mine\.Mine.*repeat it"):
        prepare([f"resume={last}"])
    assert not imported.exists()
    again = evaluate(
        mine / "scores", f"checkpoint={last}", "class=ivr_mine.Mine", "episodes=2", "device=cpu"
    )
    assert again["members"][0]["episodes"] == 2 and imported.exists()
    resumed = prepare([f"resume={last}", "algo.class=ivr_mine.Mine", "num_updates=6"])
    assert resumed.count("algo.class=ivr_mine.Mine") == 1 and "algo=iql" in resumed
    result = train(mine / "run", *words[:2], "num_updates=6", "eval_every=4", f"resume={last}")
    assert result["updates_done"] == 6


def test_an_algorithm_of_ones_own_goes_through_the_python_api(mine, tmp_path):
    """Named once, for the process has run its code by then; elsewhere by its path or as a class."""
    options = SMALL_API | {"config_dir": mine / "conf", "algo": "mine"}
    run = ivr.train(dataset=own(), folder=tmp_path / "run", **options)
    assert type(run.policy().algorithm).__name__ == "Mine"
    written = ivr.export_policy(run, format="torch", path=tmp_path / "a.pt2", verbose=False)
    assert written.exists()
    module = sys.modules.pop("ivr_mine")
    with pytest.raises(UserError, match="trusted_class="):
        ivr.load_policy(run.last_checkpoint)
    for named in ("ivr_mine.Mine", module.Mine):
        assert ivr.load_policy(run.last_checkpoint, trusted_class=named).members


def test_a_resumed_run_of_ones_own_folder_names_the_flag_that_is_left_out(mine, tmp_path):
    options = SMALL_API | {"config_dir": mine / "conf", "algo": "mine"}
    run = ivr.train(dataset=own(), folder=tmp_path / "run", **options)
    words = [f"resume={run.last_checkpoint}", "algo.class=ivr_mine.Mine"]
    with pytest.raises(SystemExit, match=r"algo=mine is unknown.*give --config-dir FOLDER"):
        prepare(words)
    prepare([*words, "--config-dir", str(mine / "conf")])
    with pytest.raises(SystemExit) as end:
        prepare([f"resume={run.last_checkpoint}", "num_updats=8"])
    assert "did you mean num_updates" in str(end.value) and "--config-dir" not in str(end.value)


HOSTILE = (
    "algo.class=ivr_mine.Mine",
    "algo={class:ivr_mine.Mine}",
    "+algo.extra._target_=ivr_mine.Mine",
    "dataset.env_kwargs={_target_:ivr_mine.Mine}",
    "dataset.env=ivr_mine:Pendulum-v1",
    "dataset.env_kwargs={xml_file:/etc/passwd}",
    "dataset.name=${oc.env:HOME}",
    "hydra.run.dir=/tmp/elsewhere",
    "hydra.searchpath=[/tmp/evil]",
    "hydra/launcher=joblib",
    "+hydra/callbacks=evil",
    "dataset@hydra.sweeper=arrays",
    "+experiment=../../outputs/evil",
    "~alpha",
)


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_word_of_a_checkpoint_is_refused_unless_it_is_repeated(
    mine, small_pointmaze, word, harmless
):
    content = torch.load(harmless, weights_only=True)
    content["ivr"]["overrides"].append(word)
    path = mine / "last.ckpt"
    torch.save(content, path)
    with pytest.raises(SystemExit) as refused:
        prepare([f"resume={path}"])
    message = str(refused.value)
    assert message.startswith(f"Error: resume={path}: ") and word in message, message
    assert "repeat it" in message
    assert not (mine / "package" / "imported").exists()


@pytest.fixture(scope="module")
def harmless(tmp_path_factory, small_pointmaze) -> Path:
    folder = tmp_path_factory.mktemp("harmless")
    train(folder, "num_updates=2", "eval_every=2")
    return folder / "checkpoints" / "last.ckpt"


def test_words_of_a_checkpoint_that_are_data_are_taken_over(harmless, tmp_path):
    content = torch.load(harmless, weights_only=True)
    content["ivr"]["overrides"] += ["+dataset.env_kwargs.reward_type=sparse", "alpha=2", "alpha=3"]
    torch.save(content, tmp_path / "last.ckpt")
    words = prepare([f"resume={tmp_path / 'last.ckpt'}", "eval_episodes=3"])
    assert "+dataset.env_kwargs.reward_type=sparse" in words
    assert "alpha=3" in words and "alpha=2" not in words
    assert "eval_episodes=3" in words and "eval_episodes=2" not in words
    assert composed(tuple(w for w in words if "resume" not in w)).eval_episodes == 3
    assert set(SMALL) - set(words) == {"eval_episodes=2"}


def test_a_resumed_checkpoint_is_read_once(harmless, monkeypatch):
    read = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: read.append(a[0]) or load(*a, **k))
    prepare([f"resume={harmless}"])
    result = train(harmless.parents[1], "num_updates=4", "eval_every=2", f"resume={harmless}")
    assert result["updates_done"] == 4 and read == [harmless]


def test_an_installed_package_without_configuration_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("ivr.config.search.CONFIG_DIR", tmp_path / "conf")
    with pytest.raises(UserError, match=r"no configuration in .*conf: .*checkout"):
        Search().choices("algo")
