"""The command line: every combination composes, and bad words get one message."""

import inspect
from itertools import product

import pytest

from ivr.cli import CONFIG_DIR, choices, prepare
from ivr.config import TrainConfig
from ivr.constructors import algorithm_class, algorithm_options
from ivr.data.load import load_dataset
from ivr.errors import UserError
from tests.running import composed


@pytest.mark.parametrize(
    ("algo", "dataset", "protocol"),
    list(product(choices("algo"), choices("dataset"), choices("protocol"))),
)
def test_every_combination_composes_to_what_the_constructors_take(algo, dataset, protocol):
    words = (f"algo={algo}", f"dataset={dataset}", f"protocol={protocol}")
    config = TrainConfig.parse(composed(words))
    assert (config.algo["name"], config.dataset["name"]) == (algo, dataset)
    assert config.protocol == protocol
    parameters = inspect.signature(algorithm_class(config.algo)).parameters
    options = algorithm_options(config.algo)
    given = {"seeds", "observation_dim", "action_low", "action_high", "num_updates"}
    assert set(options) | given | {"alpha", "discount"} >= set(parameters)
    assert set(config.dataset) == set(inspect.signature(load_dataset).parameters) - {
        "cache",
        "progress",
    }


def test_the_hyperparameters_on_record():
    """The released AntMaze values, the authors' rebuttal's, and those shared by all tasks."""

    def alpha_and_lr(*words: str) -> tuple[list[float] | None, float]:
        config = TrainConfig.parse(composed(words))
        return config.alpha, config.algo["actor_lr"]

    maze = "dataset=antmaze-medium-play"
    assert alpha_and_lr(maze) == ([0.1], 2e-4)
    assert alpha_and_lr(maze, "algo=eql") == ([0.5], 2e-4)
    assert alpha_and_lr(maze, "protocol=paper") == ([0.5], 2e-4)
    assert alpha_and_lr(maze, "alpha=0.7") == ([0.7], 2e-4)
    assert alpha_and_lr("dataset=minari") == ([1.0], 3e-4)
    assert alpha_and_lr("dataset=minari", "algo=eql") == ([2.0], 3e-4)
    config = TrainConfig.parse(composed(("dataset=minari",)))
    assert (config.batch_size, config.num_updates, config.discount) == (256, 1_000_000, 0.99)
    assert config.algo["target_tau"] == 0.005 and config.algo["hidden"] == [256, 256]


def test_the_protocols_differ_in_the_departures_and_nothing_else():
    def options(algo: str, protocol: str) -> dict:
        return composed((f"algo={algo}", f"protocol={protocol}", "dataset=minari")).algo

    changed = {
        algo: {
            key: value
            for key, value in options(algo, "released").items()
            if options(algo, "paper")[key] != value
        }
        for algo in ("sql", "eql", "bc")
    }
    assert changed == {
        "sql": {"positive_advantage": True, "weight_clip": 100.0},
        "eql": {
            "weight_scale": 10.0,
            "weight_clip": 100.0,
            "exponent_clip": 5.0,
            "batch_max_floor": -1.0,
        },
        "bc": {},
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
        ("seed=[0,0]", "only once"),
        ("num_updates=0", "num_updates=0: .*from 1"),
        ("batch_size=ten", "batch_size=ten"),
        ("discount=1.5", "discount=1.5: .*between 0 and 1"),
        ("device=gpu", "device=gpu: must be auto, cpu, cuda"),
        ("device=cuda:99", "device=cuda:99"),
        ("compile=maybe", "compile=maybe: must be auto, true or false"),
        ("algo.target_tau=fast", r"algo\.target_tau=fast: must be a finite number"),
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
        ("algo.class=os.system", r"algo\.class=os\.system: no algorithm"),
        ("algo.class=ivr.algos.base.torch", "no algorithm"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(word, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse(composed((word,)))


def test_an_algorithm_without_alpha_says_which_words_it_has():
    with pytest.raises(UserError, match=r"bc has no alpha.*algo\.actor_lr"):
        TrainConfig.parse(composed(("algo=bc", "alpha=0.5")))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("algo=sqll", "algo=sqll is unknown: did you mean sql"),
        ("algo=sql,eqll", "algo=eqll is unknown: did you mean eql"),
        ("dataset=antmaze-medium-ply", "did you mean antmaze-medium-play"),
        ("protocol=papers", "did you mean paper"),
        ("alhpa=0.5", "unknown key alhpa: did you mean alpha"),
        ("algo.hiden=[8]", r"unknown key algo\.hiden: did you mean algo\.hidden"),
        ("dataset.pth=x", r"unknown key dataset\.pth: did you mean dataset\.path"),
        ("resume=nowhere.ckpt", r"no checkpoint at nowhere\.ckpt"),
        ("resume=auto", r"hydra\.run\.dir"),
        ("seed=[0,1", r"cannot read seed=\[0,1"),
    ],
)
def test_a_misspelt_word_ends_the_program_before_anything_is_made(word, message):
    with pytest.raises(SystemExit, match=message):
        prepare([word])


def test_good_words_pass_through():
    words = ["algo=eql", "dataset=antmaze-umaze", "seed=[0,1]", "--cfg", "job"]
    assert sorted(prepare(words)) == sorted(words)
    swept = ["--multirun", "algo=sql,eql", "alpha=0.1,0.5"]
    assert prepare(swept) == swept


def test_the_help_explains_every_word_and_lists_every_choice():
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        page = compose("config", return_hydra_config=True).hydra.help.template
    for word in composed(()):
        assert f"\n  {word}  " in page, word
    for group in ("algo", "dataset"):
        assert ", ".join(choices(group)) in page


def test_two_runs_of_the_same_second_have_folders_of_their_own():
    from hydra import compose, initialize_config_dir

    folders = set()
    for _ in range(4):
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            config = compose("config", return_hydra_config=True)
        folders.add(config.hydra.run.dir)
        assert config.hydra.run.dir.startswith("outputs/pointmaze-medium/sql/")
    assert len(folders) == 4
