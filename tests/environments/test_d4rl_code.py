"""D4RL's own code beside ours on the same MuJoCo: the same actions give the same episodes.

Needs a copy of D4RL's repository: D4RL_REPO=folder pytest -m peers tests/environments
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from ivr.environments.antmaze import position
from ivr.environments.kitchen import GOALS
from tests.environments import d4rl_code

pytestmark = pytest.mark.peers

TOLERANCE = 1e-9
# What no dynamics depend on: names, cameras, sites, lights, colours, textures, files.
UNSEEN = ("name", "cam", "site", "light", "mat", "tex", "path", "mesh_path", "n", "signature")
RANDOM = np.random.mtrand._rand  # D4RL draws goals from NumPy's global generator


@pytest.fixture(scope="module", autouse=True)
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    assert "D4RL_REPO" in os.environ, "D4RL_REPO must name a copy of D4RL's repository"
    with pytest.MonkeyPatch.context() as patch:
        repository = Path(os.environ["D4RL_REPO"]).resolve()
        d4rl_code.install(patch, repository, tmp_path_factory.mktemp("d4rl"))
        yield
    d4rl_code.forget()


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference of positions, velocities and contact distances."""
    assert ours.ncon == theirs.ncon
    return max(
        float(np.abs(a - b).max(initial=0))
        for a, b in (
            (ours.qpos, theirs.qpos),
            (ours.qvel, theirs.qvel),
            (ours.contact.dist, theirs.contact.dist),
        )
    )


def unlike(ours: mujoco.MjModel, theirs: mujoco.MjModel) -> list[str]:
    """The arrays and options of a compiled model that differ, but for UNSEEN."""
    found = []
    for name in dir(theirs):
        a, b = getattr(ours, name), getattr(theirs, name)
        if name.startswith(("_", *UNSEEN)) or name.endswith(("rgba", "group")) or callable(b):
            continue
        if isinstance(b, np.ndarray | int | float) and not np.array_equal(a, b):
            found.append(name)
    options = [name for name in dir(theirs.opt) if not name.startswith("_")]
    return found + [
        name
        for name in options
        if not callable(getattr(theirs.opt, name))
        and not np.array_equal(getattr(ours.opt, name), getattr(theirs.opt, name))
    ]


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_the_maze_and_the_ant_compile_to_the_same_model(maze: str) -> None:
    theirs = d4rl_code.antmaze(maze).wrapped_env
    ours: Any = gymnasium.make(f"ivr/D4RLAntMaze-{maze}-v2").unwrapped
    assert unlike(ours.model, theirs.model) == []
    assert ours.dt == theirs.dt and ours.frame_skip == theirs.frame_skip


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_the_same_draws_give_the_same_goal_and_start(maze: str) -> None:
    theirs = d4rl_code.antmaze(maze)
    ours: Any = gymnasium.make(f"ivr/D4RLAntMaze-{maze}-v2").unwrapped
    theirs.wrapped_env.np_random = RANDOM
    for seed in range(20):
        np.random.seed(seed)
        expected = theirs.reset()
        ours.np_random = np.random.RandomState(seed)
        observation, info = ours.reset()
        np.testing.assert_array_equal(observation, expected)
        np.testing.assert_array_equal(info["goal"], theirs.wrapped_env.target_goal)


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_antmaze_episodes_agree(maze: str) -> None:
    theirs = d4rl_code.antmaze(maze)
    inner = theirs.wrapped_env
    inner.np_random = RANDOM
    ours: Any = gymnasium.make(f"ivr/D4RLAntMaze-{maze}-v2").unwrapped
    random, worst, rewards, contacts = np.random.default_rng(0), 0.0, 0.0, 0
    cells = ours.maze.free_cells()
    for episode in range(8):
        np.random.seed(episode)
        theirs.reset()
        ours.np_random = np.random.RandomState(episode)
        ours.reset()
        # Half of the episodes are near the goal, the others anywhere.
        middle = position(ours.maze, cells[random.integers(len(cells))])
        place = ours.goal - 0.6 if episode % 2 else middle + random.uniform(-1, 1, 2)
        for env in (inner, ours):
            env.set_state(np.array([*place, *env.data.qpos[2:]]), env.data.qvel.copy())
        for step in range(300):
            if step % 10 == 0:
                base = random.uniform(-1.1, 1.1, 8)
            action = (base + random.normal(0, 0.3, 8)).astype(np.float32 if step % 2 else float)
            expected, reward, done, _ = theirs.step(action)
            observation, *got, truncated, _ = ours.step(action)
            worst = max(worst, difference(ours.data, inner.data))
            assert np.abs(observation - expected).max() <= TOLERANCE
            assert (*got, truncated) == (reward, done, False)
            rewards += reward
            walls = ours.data.contact.geom.min(axis=1, initial=99) > 0
            contacts += int(np.sum(walls))
    assert worst <= TOLERANCE
    assert rewards > 0 and contacts > 0  # or nothing was compared
    print(f"largest error: {worst}")


class Noise:
    """Keep what D4RL draws for an observation, and give it to ours."""

    def __init__(self, seed: int) -> None:
        self._random, self.drawn = np.random.RandomState(seed), list[np.ndarray]()

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        if size == 30:  # ours: positions of the robot and of the objects; D4RL has velocities too
            return np.concatenate([self.drawn[-4], self.drawn[-2]])
        self.drawn.append(self._random.uniform(low, high, size))
        return self.drawn[-1]


def test_the_kitchen_compiles_to_the_same_bodies() -> None:
    a: Any = gymnasium.make("ivr/D4RLKitchen-mixed-v0").unwrapped.model
    b = d4rl_code.kitchen("mixed").model
    # D4RL's first body holds the hand of a demonstrator; nothing touches it or hangs on it.
    assert (b.body(1).name, b.body(1).mocapid[0], b.body_geomnum[1]) == ("vive_controller", 0, 1)
    shape = np.flatnonzero(b.geom_bodyid == 1)
    assert not b.geom_contype[shape] and not b.geom_conaffinity[shape]
    extra = {"body": 1, "geom": shape, "eq": np.flatnonzero(b.eq_obj1id == 1)}
    for name in dir(b):
        kind, _, what = name.partition("_")
        theirs = getattr(b, name)
        compared = kind in (*extra, "jnt", "dof", "actuator", "mesh") and "_" in name
        if not isinstance(theirs, np.ndarray) or not compared:
            continue
        if what.endswith(("adr", "id", "rgba", "group", "user")):  # numbers of other lists, colours
            continue
        if kind in extra:
            theirs = np.delete(theirs, extra[kind], axis=0)
        np.testing.assert_array_equal(getattr(a, name), theirs, err_msg=name)


@pytest.mark.parametrize("name", ["complete", "partial", "mixed"])
def test_kitchen_episodes_agree(name: str) -> None:
    theirs: Any = d4rl_code.kitchen(name)
    ours: Any = gymnasium.make(f"ivr/D4RLKitchen-{name}-v0").unwrapped
    random, worst, rewards, ends, touched = np.random.default_rng(0), 0.0, 0.0, 0, 0
    for episode in range(4):
        noise = theirs.np_random = Noise(episode)
        expected = theirs.reset()
        ours.np_random = noise
        observation, _ = ours.reset()
        np.testing.assert_array_equal(observation, expected)
        ended = False
        for step in range(280):
            if step % 20 == 0:
                base = random.uniform(-1, 1, 9)
            if step > 100 and step % 40 == 0 and episode < 2:  # do a task by hand
                task = ours.tasks[step // 40 - 3]
                place, goal = GOALS[task]
                for env in (theirs, ours):
                    env.data.qpos[place : place + len(goal)] = goal
            action = base + random.normal(0, 0.3, 9)
            expected, reward, done, _ = theirs.step(action)
            observation, *got, truncated, info = ours.step(action)
            worst = max(worst, difference(ours.data, theirs.data))
            assert np.abs(observation - expected).max() <= TOLERANCE
            assert (*got, truncated) == (reward, done, False)
            assert set(info["tasks_to_complete"]) == theirs.tasks_to_complete
            rewards, ended = rewards + reward, ended or done
            touched += ours.data.ncon
        ends += ended
    assert worst <= TOLERANCE
    assert ends == 2 and rewards >= 8 and touched > 0
    print(f"largest error: {worst}")
