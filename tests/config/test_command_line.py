"""The command line: every combination composes, and bad words get one message."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ivr.algos.engine.constructors import RUN_KEYWORDS, keywords
from ivr.config import command_line, entry
from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR, choices
from ivr.data.sources.d4rl.published import PUBLISHED
from ivr.data.sources.stand_ins import GENERATED
from ivr.data.spec import DataSpec
from ivr.errors import UserError
from ivr.evaluation.task.spec import TaskSpec
from ivr.types import DataFacts
from tests.running import composed

# What a base class asks of its subclasses, and no configuration gives.
ASKED = {"learning_rates", "cosine_decay"}

# Keys of data whose bounds can be given.
BOUNDED = {"action_low", "action_high", "actions"}


FAMILIES = {
    "pointmaze-medium": "pointmaze",
    "hopper-medium": "mujoco",
    "antmaze-umaze": "antmaze",
    "kitchen-mixed": "kitchen",
}
"""One dataset of each."""


def pairs() -> Iterator[Any]:
    """All algorithms and datasets; those that add no file to what others read are slow."""
    for algo, dataset in product(choices("algo"), choices("dataset")):
        tuned = CONFIG_DIR / "tuned" / "family" / f"{algo}_{FAMILIES.get(dataset)}.yaml"
        alone = algo == "sql" or dataset == "pointmaze-medium" or tuned.exists()
        yield pytest.param(algo, dataset, marks=() if alone else pytest.mark.slow)


@pytest.mark.parametrize(("algo", "dataset"), list(pairs()))
def test_every_combination_composes_to_what_the_constructors_take(algo, dataset):
    # The protocol changes what is below departures/ and tuned/protocol/, of these three.
    protocols = ("released", "paper") if algo in ("sql", "eql", "ivr") else ("released",)
    for protocol in protocols:
        order = ("algo.order=1",) if (algo, protocol) == ("ivr", "released") else ()
        words = (f"algo={algo}", f"dataset={dataset}", f"protocol={protocol}", *order)
        config = TrainConfig.parse(composed(words))
        assert (config.algorithm.name, config.data.name) == (algo, dataset)
        assert config.protocol == protocol
        facts = {field.name for field in fields(DataFacts)}
        given = {*config.algorithm.options, *facts, *RUN_KEYWORDS, *ASKED}
        assert given >= set(keywords(config.algorithm.type))
        absent = BOUNDED if dataset not in ("arrays", "minari", "d4rl_hdf5") else set()
        absent = absent | (set() if dataset == "arrays" else {"columns", "missing"})
        absent = absent | (set() if dataset in GENERATED else {"transitions"})
        absent = absent | (set() if dataset in PUBLISHED else {"as_is"})
        absent = absent | (set() if dataset.startswith("antmaze-") else {"body"})
        both = {field.name for spec in (DataSpec, TaskSpec) for field in fields(spec)}
        assert set(config.plain["dataset"]) == both - absent


def test_the_protocols_differ_in_the_departures_and_nothing_else():
    changed = {}
    for algo in ("sql", "eql", "iql", "xql", "onestep", "bc", "rvs"):
        released, paper = (
            composed((f"algo={algo}", f"protocol={protocol}", "dataset=minari")).algo
            for protocol in ("released", "paper")
        )
        changed[algo] = {key: value for key, value in released.items() if paper[key] != value}
    assert changed == {
        "sql": {"positive_advantage": True, "weight_clip": 100.0},
        "eql": {
            "weight_scale": 10.0,
            "weight_clip": 100.0,
            "exponent_clip": 5.0,
            "batch_max_floor": -1.0,
        },
        **{algo: {} for algo in ("iql", "xql", "onestep", "bc", "rvs")},
    }


def test_lists_are_all_combinations():
    config = TrainConfig.parse(composed(("seed=[0,1,2]", "alpha=[0.1,0.5]")))
    assert config.seed == [0, 1, 2] and config.alpha == [0.1, 0.5]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("alpha=0", "alpha=0: .*above 0"),
        ("alpha=-1", "alpha=-1"),
        ("alpha=nan", "alpha=nan: .*finite"),
        ("alpha=inf", "alpha=inf: .*finite"),
        ("alpha=[0.1,x]", "alpha=x"),
        ("alpha=[]", "at least one"),
        ("alpha=true", "alpha=True"),
        ("seed=-1", "seed=-1"),
        ("seed=1.5", "seed=1.5"),
        ('seed="0"', r'seed="0" \(a text, because of its quotes\): must be a whole number'),
        ('num_updates="10"', r'num_updates="10" \(a text'),
        ('dataset.maze_scale="4"', r'dataset\.maze_scale="4" \(a text'),
        (f"seed={2**63}", f"seed={2**63}: must be a whole number from 0 to {2**63 - 1}"),
        ("seed=[0,0]", "only once"),
        ("num_updates=0", "num_updates=0: .*from 1"),
        ("batch_size=ten", "batch_size=ten"),
        ("discount=1.5", "discount=1.5: .*between 0 and 1"),
        ("device=gpu", "device=gpu: must be auto, cpu, mps, cuda"),
        ("device=cuda:99", "device=cuda:99"),
        ("compile=maybe", "compile=maybe: must be auto, true or false"),
        ("precision=fp8", "precision=fp8: must be float32 or bf16"),
        ("algo.target_tau=fast", r"algo\.target_tau=fast: must be a finite number"),
        ("algo.order=one", r"algo\.order=one: must be a finite number"),
        ("algo.hidden=256", r"algo\.hidden=256: must be a list"),
        ("algo.value_layer_norm=1", r"algo\.value_layer_norm=1: must be true or false"),
        ("+algo.beta=1", r"sql has no option algo\.beta"),
        ("+algo.seeds=[7]", r"sql has no option algo\.seeds"),
        ("~alpha", "alpha was removed"),
        ("+dataset.cache=x", r"unknown key dataset\.cache"),
        ("dataset.reference=5", r"dataset\.reference=5: must be a list"),
        ("dataset.maze_scale=abc", r"dataset\.maze_scale=abc: must be a finite number or null"),
        ("dataset.max_episode_steps=0", r"dataset\.max_episode_steps=0"),
        ("dataset.env_kwargs=5", r"dataset\.env_kwargs=5"),
        ("algo.class=ivr.algos.ivr.foo.Bar", "no algorithm"),
        ("noise=mix", r"noise\.source=PATH"),
        ("noise=mix noise.source=x noise.expert_fraction=0", r"noise\.expert_fraction=0"),
        ("noise=mix noise.source=x noise.expert_fraction=1.5", r"noise\.expert_fraction=1\.5"),
        ("noise=mix noise.source=x noise.seed=a", r"noise\.seed=a: must be a whole number"),
        ("noise=mix +noise.share=1", r"noise=mix has no noise\.share"),
        ("noise.name=mixed", r"noise\.name=mixed is unknown: did you mean mix"),
        ("subset=fraction subset.keep=0", r"subset\.keep=0: must be a share"),
        ("subset=fraction subset.keep=1.5", r"subset\.keep=1\.5"),
        ("subset=best subset.keep=true", r"subset\.keep=True: must be a finite number"),
        ("subset=heavy_tail subset.power=0", r"subset\.power=0"),
        ("+subset.keep=0.5", r"subset=none has no subset\.keep"),
        ("normalize=standard normalize.epsilon=0", r"normalize\.epsilon=0"),
        ("+algo.input_mean=[0]", r"sql has no option algo\.input_mean"),
        ("algo.class=os.system", r"algo\.class=os\.system: no algorithm"),
        ("algo.class=ivr.algos.engine.base.torch", "no algorithm"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(word, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse(composed(tuple(word.split(" "))))


@pytest.mark.parametrize(
    ("algo", "instead"),
    [
        ("bc", "nor anything like it"),
        ("iql", r"algo\.temperature and algo\.expectile"),
        ("xql", r"algo\.temperature and algo\.actor_temperature"),
        ("onestep", r"algo\.temperature\."),
        ("onestep_easy_bcq", r"algo\.candidates"),
        ("bcq", r"algo\.max_perturbation and algo\.min_weight"),
        ("mcq", r"algo\.td_weight"),
        ("rvs", r"algo\.target"),
        ("td3bc", r"algo\.q_weight"),
        ("dt", r"algo\.target"),
    ],
)
def test_an_algorithm_without_alpha_says_what_it_has_instead(algo, instead):
    with pytest.raises(UserError, match=rf"alpha=0\.5: {algo} has no alpha, .*{instead}"):
        TrainConfig.parse(composed((f"algo={algo}", "alpha=0.5")))


@pytest.mark.parametrize("given", [None, "active"])
def test_waiting_threads_sleep_unless_told_otherwise_and_torch_comes_later(given):
    code = """
import os, sys
from ivr.config import command_line
sys.argv[1:] = ["algo=unknown"]
try:
    command_line.main("train")
except SystemExit:
    print(os.environ["OMP_WAIT_POLICY"], os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""
    policies = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {k: v for k, v in os.environ.items() if k not in policies}
    environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*([given, "None"] if given else ["passive", "3000"]), "False"]


def test_paths_mean_what_they_did_where_the_program_was_started():
    """Hydra runs a job in the run's folder with hydra.job.chdir=true."""
    start = Path("/start")
    words = ("dataset=arrays", "dataset.path=[a.npz,/b.npz]", "resume=auto", "noise=mix")
    config = composed((*words, "noise.source=more/c.npz"))
    command_line._keep_places(config, start)
    assert config.dataset.path == ["/start/a.npz", "/b.npz"] and config.resume == "auto"
    assert config.noise.source == "/start/more/c.npz"
    config = composed(("checkpoint=runs/best.ckpt",), "evaluate")
    command_line._keep_places(config, start)
    assert config.checkpoint == "/start/runs/best.ckpt"


def test_ctrl_c_during_an_import_is_no_traceback(monkeypatch):
    def interrupted(command: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "main", interrupted)
    with pytest.raises(SystemExit) as caught:
        entry.main("train")
    assert caught.value.code == 130 and caught.value.__suppress_context__


def test_the_help_explains_every_word_and_lists_every_choice():
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        page = compose("config", return_hydra_config=True).hydra.help.template
    for word in composed(()):
        assert f"\n  {word}  " in page, word
    for group in ("algo", "dataset", "subset", "experiment"):
        assert ", ".join(choices(group)) in " ".join(page.split())


def test_two_runs_of_the_same_second_have_folders_of_their_own():
    from hydra import compose, initialize_config_dir

    folders = set()
    for _ in range(4):
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            config = compose("config", return_hydra_config=True)
        folders.add(config.hydra.run.dir)
        assert config.hydra.run.dir.startswith("outputs/pointmaze-medium/sql/")
    assert len(folders) == 4
