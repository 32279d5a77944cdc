"""Data that were recorded in an environment are certified for it, and for no other."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest

from ivr.certificate import Certificate, certify
from ivr.data.spec import DataSpec
from ivr.evaluation.task.build import make_task
from ivr.evaluation.task.spec import TaskSpec
from ivr.evaluation.task.task import Task
from ivr.types import DataFacts
from tests.data.sources.d4rl.d4rl_making import write_d4rl
from tests.data.sources.minari.minari_making import write_minari
from tests.inspection.inspecting import inspect
from tests.running import train

STEPS = 60

HOPPER, ANT, MINARI = "Hopper-v4", "ivr/D4RLAntMaze-umaze-v2", "AntMaze_UMaze-v4"
_OF_D4RL = {"goal": "d4rl_v2", "metric": "success", "reference": [0.0, 1.0]}
TASKS = {
    HOPPER: TaskSpec(name="x", env=HOPPER, view="flat"),
    ANT: TaskSpec(name="x", env=ANT, view="flat", **_OF_D4RL),
    MINARI: TaskSpec(
        name="x", env=MINARI, view="d4rl", maze="umaze", maze_scale=4.0, metric="success"
    ),
}


def task_of(name: str) -> Task:
    widths = {HOPPER: (11, 3), ANT: (29, 8), MINARI: (29, 8)}
    observations, actions = widths[name]
    facts = DataFacts(observations, [-1.0] * actions, [1.0] * actions)
    task = make_task(TASKS[name], facts, None)
    assert task is not None
    return task


class Changed(Task):
    """The same task with a tenth more torque."""

    def make_env(self, render_mode: str | None = None) -> Any:
        env = super().make_env(render_mode)
        simulation(env).model.actuator_gear *= 1.1
        return env


class Slower(Task):
    """The same task with a clock that is a tenth slower."""

    def make_env(self, render_mode: str | None = None) -> Any:
        env = super().make_env(render_mode)
        simulation(env).model.opt.timestep *= 1.1
        return env


def simulation(env: Any) -> Any:
    return getattr(env.unwrapped, "ant_env", env.unwrapped)


def made(kind: type[Task], task: Task) -> Task:
    return kind(**vars(task))


def episodes(name: str) -> list[dict[str, Any]]:
    """Random actions from the environment's own starts, with the state of each observation."""
    env, random, found = task_of(name).make_env(), np.random.default_rng(0), []
    plain = env.env  # without the view, which rounds
    for seed in range(4):
        observation, _ = plain.reset(seed=seed)
        rows: dict[str, list[Any]] = {key: [] for key in ("seen", "actions", "qpos", "qvel")}
        over = False
        while True:
            data = simulation(env).data
            rows["seen"].append(observation)
            rows["qpos"].append(data.qpos.copy())
            rows["qvel"].append(data.qvel.copy())
            if over or len(rows["seen"]) == STEPS:
                break
            action = random.uniform(-1, 1, env.action_space.shape).astype(np.float32)
            rows["actions"].append(action)
            observation, _, over, _, _ = plain.step(action)
        terminated = np.zeros(len(rows["actions"]), bool)
        terminated[-1] = over
        found.append(rows | {"terminated": terminated})
    env.close()
    return found


@pytest.fixture(scope="module")
def recorded() -> Any:
    known: dict[str, list[dict[str, Any]]] = {}
    return lambda name: known.get(name) or known.setdefault(name, episodes(name))


def as_d4rl(path: Path, parts: list[dict[str, Any]], *left_out: str, lag: int = 0) -> DataSpec:
    """Write D4RL's format, with `lag` = 1 the state that a step led to in its row."""
    columns: dict[str, list[Any]] = {}
    for part in parts:
        steps = len(part["actions"])
        ended = np.arange(1, steps + 1) == steps
        rows = {
            "observations": part["seen"][:-1],
            "actions": part["actions"],
            "rewards": np.zeros(steps),
            "next_observations": part["seen"][1:],
            "terminals": part["terminated"],
            "timeouts": ended & ~part["terminated"],
            "infos/qpos": part["qpos"][lag : steps + lag],
            "infos/qvel": part["qvel"][lag : steps + lag],
        }
        for key, values in rows.items():
            columns.setdefault(key, []).extend(values)
    arrays = {
        key: np.array(values, bool if key[0] == "t" else np.float32)
        for key, values in columns.items()
    }
    write_d4rl(path, {key: value for key, value in arrays.items() if key not in left_out})
    return DataSpec(name="x", source="d4rl_hdf5", path=path, view="flat", max_episode_steps=1000)


def as_minari(folder: Path, parts: list[dict[str, Any]], states: bool) -> DataSpec:
    written = []
    for part in parts:
        steps = len(part["actions"])
        keys = part["seen"][0]
        written.append(
            {
                "observations": {key: np.array([one[key] for one in part["seen"]]) for key in keys},
                "actions": np.array(part["actions"]),
                "rewards": np.zeros(steps),
                "terminations": np.zeros(steps, bool),
                "truncations": np.arange(1, steps + 1) == steps,
            }
            | ({"infos": {key: np.array(part[key]) for key in ("qpos", "qvel")}} if states else {})
        )
    box = {"type": "Box", "dtype": "float32", "shape": [8], "low": [-1] * 8, "high": [1] * 8}
    write_minari(folder, written, action_space=json.dumps(box))
    return DataSpec(name="x", path=folder, view="d4rl")


def check(data: DataSpec, name: str, words: str) -> Certificate:
    """The environment's own data are exact, and those of another gear or clock are not."""
    task = task_of(name)
    found = certify(data, task)
    assert found.status == "exact", found.in_words
    assert found.error is not None and found.error.overall[2] < 1e-4  # float32
    assert found.error.transitions > 100 and words in found.in_words
    for kind in (Changed, Slower):
        other = certify(data, made(kind, task))
        assert other.status == "differs", other.in_words
        assert other.error is not None and other.error.overall[0] > 0.01
    return found


@pytest.mark.parametrize("left_out", [(), ("infos/qpos",), ("next_observations", "infos/qvel")])
def test_hopper_in_d4rls_format(tmp_path, recorded, left_out):
    data = as_d4rl(tmp_path / "a.hdf5", recorded(HOPPER), *left_out)
    check(data, HOPPER, "their observations" if left_out else "their recorded states")


@pytest.mark.parametrize("lag", [0, 1])
def test_d4rls_ant_in_d4rls_format_whichever_row_its_states_stand_in(tmp_path, recorded, lag):
    data = as_d4rl(tmp_path / "a.hdf5", recorded(ANT), "next_observations", lag=lag)
    check(data, ANT, "their recorded states")


@pytest.mark.parametrize("states", [True, False])
def test_the_ant_of_gymnasium_in_minaris_format(tmp_path, recorded, states):
    data = as_minari(tmp_path / "made", recorded(MINARI), states)
    check(data, MINARI, "their recorded states" if states else "their observations")


def test_the_body_of_d4rl_is_not_certified_for_gymnasiums(tmp_path, recorded):
    parts = [
        part | {"seen": [{"observation": s[2:], "achieved_goal": s[:2]} for s in part["seen"]]}
        for part in recorded(ANT)
    ]
    data = as_minari(tmp_path / "made", parts, states=True)
    found = certify(data, task_of(MINARI))
    assert found.status == "differs" and found.error is not None
    assert found.error.overall[0] > 0.1


def test_own_arrays_and_several_files(tmp_path, recorded):
    parts = recorded(HOPPER)
    specs = [as_d4rl(tmp_path / name, part) for name, part in (("a", parts[:2]), ("b", parts[2:]))]
    paths = [str(spec.path) for spec in specs]
    check(replace(specs[0], path=paths), HOPPER, "their recorded states")
    for number, spec in enumerate(specs):
        with h5py.File(spec.path) as file:
            names = {"terminals": "terminated", "timeouts": "truncated"}
            arrays = {
                names.get(name, name): values[()]
                for name, values in file.items()
                if isinstance(values, h5py.Dataset)
            }
        np.savez(tmp_path / f"{number}.npz", **arrays)
    log = [str(tmp_path / f"{number}.npz") for number in range(2)]
    arrays = DataSpec(
        name="x", source="arrays", path=log, view="flat", action_low=-1, action_high=1
    )
    check(arrays, HOPPER, "their observations")


def test_states_of_other_rows_are_not_believed(tmp_path, recorded):
    data = as_d4rl(tmp_path / "a.hdf5", [p | {"qvel": p["qvel"][::-1]} for p in recorded(HOPPER)])
    check(data, HOPPER, "their observations")


def test_it_depends_on_the_data_alone(tmp_path, recorded):
    data = as_d4rl(tmp_path / "a.hdf5", recorded(HOPPER))
    first, again = (certify(data, task_of(HOPPER)).describe() for _ in range(2))
    assert first == again and json.loads(json.dumps(first)) == first
    assert len(first["units_by_number"]) == len(first["deviations_by_number"]) == 11


def test_where_it_cannot_be_done_it_says_why(tmp_path, recorded):
    data = as_d4rl(tmp_path / "a.hdf5", recorded(HOPPER))
    found = certify(data, replace(task_of(HOPPER), env_id="Pendulum-v1"))
    assert found.status == "not certified"
    assert "Pendulum-v1 is no MuJoCo simulation" in found.in_words
    assert found.describe()["words"] == found.in_words and found.error is None
    gone = certify(DataSpec(name="x", path=tmp_path / "gone"), task_of(HOPPER))
    assert "gone" in gone.in_words and "\n" not in gone.in_words


class Broken(Task):
    """An environment that fails in its own way."""

    def make_env(self, render_mode: str | None = None) -> Any:
        raise ZeroDivisionError("no\nsuch \x1b thing")


def test_a_training_and_the_inspector_warn_of_another_environment(tmp_path, recorded, caplog):
    """Recorded with twice the torque: the actions are half of what was done."""
    data = as_d4rl(tmp_path / "a.hdf5", [part | halved(part) for part in recorded(HOPPER)])
    words = ("dataset=d4rl_hdf5", f"dataset.path={data.path}", f"dataset.env={HOPPER}")
    small = ("dataset.max_episode_steps=20", "num_updates=2", "eval_every=2", "eval_episodes=1")
    with caplog.at_level("INFO"):
        result = train(tmp_path / "run", *words, *small, "dataset.reward=none")
    assert result["status"] == "finished" and result["certificate"]["status"] == "differs"
    (said,) = [r.getMessage() for r in caplog.records if "replay differs" in r.getMessage()][:1]
    assert "Name that one with dataset.env" in said
    assert result["members"][0]["last"] is not None
    card, error = inspect(tmp_path / "card", *words)
    assert error is None and card["certificate"]["status"] == "differs"
    assert any("does not repeat the data" in warning for warning in card["warnings"])


def halved(part: dict[str, Any]) -> dict[str, Any]:
    return {"actions": [action / 2 for action in part["actions"]]}


def test_nothing_that_an_environment_raises_gets_out(tmp_path, recorded):
    data = as_d4rl(tmp_path / "a.hdf5", recorded(HOPPER))
    found = certify(data, made(Broken, task_of(HOPPER)))
    assert found.in_words == r"not certified: ZeroDivisionError: no such \x1b thing"


def test_observations_that_do_not_show_the_state_are_not_enough(tmp_path):
    env = gymnasium.make("Reacher-v5")
    assert env.observation_space.shape == (10,)
    rows = np.random.default_rng(0).normal(size=(40, 10)).astype(np.float32)
    columns = {
        "observations": rows,
        "next_observations": rows,
        "actions": np.zeros((40, 2), np.float32),
        "rewards": np.zeros(40),
        "terminals": np.zeros(40, bool),
    }
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    task = replace(task_of(HOPPER), env_id="Reacher-v5")
    found = certify(DataSpec(name="x", source="d4rl_hdf5", path=path, view="flat"), task)
    assert "record no states" in found.in_words and "of Reacher-v5 does not show" in found.in_words
