"""Every name of the paper's table is a dataset, with the facts that its score hangs on."""

import copy
import functools
from itertools import product

import gymnasium
import pytest

from ivr.agreement.views import VIEWS
from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR, choices
from ivr.data.cache.rewards import RewardTransform
from ivr.data.generation import random_actions
from ivr.data.sources.d4rl import location as d4rl_files
from ivr.data.sources.d4rl.published import PUBLISHED, find_published
from ivr.mazes import MAZES
from ivr.report.paper import as_d4rl_scores
from tests.running import composed

LOCOMOTION = [
    f"{robot}-{quality}"
    for robot, quality in product(
        ("halfcheetah", "hopper", "walker2d"), ("medium", "medium-replay", "medium-expert")
    )
]
ANTMAZE = [
    f"antmaze-{kind}"
    for kind in (
        "umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"
    )
]  # fmt: skip
KITCHEN = [f"kitchen-{kind}" for kind in ("complete", "partial", "mixed")]

# D4RL's reference returns, v0 to v2 alike.
RETURNS = {
    "halfcheetah": [-280.178953, 12135.0],
    "hopper": [-20.272305, 3234.3],
    "walker2d": [1.629008, 4592.3],
}


@functools.cache
def _dataset(name: str, *words: str):
    return composed((f"dataset={name}", *words)).dataset


def _of_d4rl(name: str):
    """As with the word dataset.source=d4rl, which takes a fifth of a second to compose."""
    node = copy.deepcopy(_dataset(name))
    node.source = "d4rl"
    return node


@pytest.mark.parametrize("name", choices("dataset"))
def test_every_dataset_has_a_name_a_view_and_a_reward_that_exist(name):
    dataset = _dataset(name)
    assert dataset.name == name
    assert dataset.view in VIEWS and dataset.maze in (*MAZES, None)
    RewardTransform(dataset.reward, dataset.reward_scale, dataset.reward_shift)
    if dataset.env is not None:
        assert dataset.env in gymnasium.registry


@pytest.mark.parametrize("name", LOCOMOTION)
def test_locomotion(name):
    dataset = _dataset(name)
    robot = name.partition("-")[0]
    assert dataset.source == "d4rl" and dataset.view == "flat"
    # As in D4RL's infos.py, http://rail.eecs.berkeley.edu/datasets/offline_rl/ before it.
    assert dataset.id == f"gym_mujoco_v2/{name.replace('-', '_')}-v2.hdf5"
    assert find_published(dataset.id) == (name, PUBLISHED[name])
    assert d4rl_files.SERVER == "http://rail.eecs.berkeley.edu/datasets/offline_rl"
    assert dataset.env.lower() == f"{robot}-v4"  # the bodies of D4RL's v2
    assert (dataset.reward, dataset.metric) == ("return_range", "return")
    assert dataset.reference == RETURNS[robot] and dataset.max_episode_steps == 1000


@pytest.mark.parametrize("robot", RETURNS)
def test_random_actions_are_scored_in_the_version_that_they_were_made_in(robot):
    made_in = random_actions._ENVIRONMENTS[robot]
    assert _dataset(f"{robot}-random").env == made_in and made_in.endswith("-v5")


def test_a_set_may_be_given_as_several_files():
    words = ("dataset=hopper-medium-expert", "dataset.path=[a.hdf5,b/c.hdf5]")
    assert TrainConfig.parse(composed(words)).data.path == ["a.hdf5", "b/c.hdf5"]


@pytest.mark.parametrize("name", ANTMAZE)
def test_antmaze(name):
    dataset = _dataset(name)
    assert dataset.id == f"D4RL/antmaze/{name.removeprefix('antmaze-')}-v1"
    maze = name.split("-")[1]
    assert dataset.maze == maze and dataset.env.lower() == f"antmaze_{maze}-v4"
    assert dataset.max_episode_steps == (700 if maze == "umaze" else 1000)
    assert (dataset.reward, dataset.metric) == ("minus_one", "success")


@pytest.mark.parametrize("name", KITCHEN)
def test_kitchen(name):
    dataset = _dataset(name)
    assert dataset.id == f"D4RL/kitchen/{name.removeprefix('kitchen-')}-v2"
    assert (dataset.view, dataset.reward) == ("observation", "none")
    assert dataset.max_episode_steps == 280
    assert (dataset.metric, dataset.reference) == ("tasks", [0.0, 4.0])
    last = {"bottom burner"} if name == "kitchen-mixed" else {"slide cabinet"}
    four = {"microwave", "kettle", "light switch"} | last
    assert set(dataset.env_kwargs.tasks_to_complete) == four


@pytest.mark.parametrize("name", ANTMAZE + KITCHEN)
def test_d4rls_own_files_are_trained_on_and_evaluated_as_d4rl_does(name):
    """As in D4RL's infos.py and the registrations of its environments (89141a6)."""
    dataset = _of_d4rl(name)
    kind = name.partition("-")[2]
    if name in ANTMAZE:
        maze, _, more = kind.partition("-")
        walls = {"umaze": "u-maze", "medium": "big-maze", "large": "hardest-maze"}[maze]
        many = more != "", more == "diverse"
        file = "ant_maze_v2/Ant_maze_{}_noisy_multistart_{}_multigoal_{}_sparse_fixed.hdf5"
        assert dataset.id == file.format(walls, *many)
        assert dataset.env == f"ivr/D4RLAntMaze-{maze}-v2" and dataset.goal == "d4rl_v2"
        assert dataset.max_episode_steps == (700 if maze == "umaze" else 1000)
        assert (dataset.reward, dataset.metric) == ("minus_one", "success")
    else:
        files = {
            "complete": "mini_kitchen_microwave_kettle_light_slider",
            "partial": "kitchen_microwave_kettle_light_slider",
            "mixed": "kitchen_microwave_kettle_bottomburner_light",
        }
        assert dataset.id == f"kitchen/{files[kind]}-v0.hdf5"
        assert dataset.env == f"ivr/D4RLKitchen-{kind}-v0" and dataset.max_episode_steps == 280
        assert (dataset.reward, dataset.metric) == ("none", "tasks")
    assert (dataset.view, dataset.maze) == ("flat", None)
    assert find_published(dataset.id) == (name, PUBLISHED[name])


@pytest.mark.parametrize("name", LOCOMOTION + ANTMAZE + KITCHEN)
def test_scores_that_stand_beside_the_papers_are_made_as_every_dataset_makes_them(name):
    dataset = _of_d4rl(name)
    task = {key: dataset[key] for key in ("metric", "reference", "max_episode_steps")}
    assert as_d4rl_scores({"dataset": name, "evaluation": task})
    for key, other in {"metric": "steps", "reference": [0, 9], "max_episode_steps": 9}.items():
        assert not as_d4rl_scores({"dataset": name, "evaluation": task | {key: other}})


@pytest.mark.parametrize("robot", ["HalfCheetah", "Hopper", "Walker2d"])
def test_d4rls_random_actions_are_scored_in_version_4(robot):
    dataset = _of_d4rl(f"{robot.lower()}-random")
    assert dataset.id == PUBLISHED[dataset.name].id and dataset.env == f"{robot}-v4"


def test_what_is_given_wins_over_the_source():
    words = ("dataset.source=d4rl", "dataset.env=Mine-v0", "dataset.goal=centre")
    dataset = _dataset("antmaze-umaze", *words)
    assert (dataset.env, dataset.goal, dataset.view) == ("Mine-v0", "centre", "flat")


@pytest.mark.parametrize(
    "file",
    [
        path
        for group in ("dataset", "family")
        for path in sorted((CONFIG_DIR / group).glob("*.yaml"))
        if "reference: [" in path.read_text()
    ],
    ids=lambda path: path.name,
)
def test_a_reference_says_where_it_comes_from(file):
    lines = file.read_text().splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("  reference: ["))
    assert lines[number - 1].startswith("  # "), f"{file}: say above reference where it is from"
