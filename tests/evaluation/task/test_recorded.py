import json
import sys

import gymnasium
import pytest
from gymnasium.envs.classic_control.pendulum import PendulumEnv

from ivr.errors import UserError
from ivr.evaluation.task.recorded import RecordedEnvironmentError, read_recorded
from tests.evaluation.evaluation_making import make, pendulum_arguments, task


def record(**changed):
    spec = {"id": "Pendulum-v1", "entry_point": "x:y", "kwargs": {}, "additional_wrappers": []}
    return json.dumps(spec | changed)


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """The name of a module that leaves a file behind when it is imported."""
    sprung = tmp_path / "sprung"
    (tmp_path / "ivr_trap.py").write_text(
        f"open({str(sprung)!r}, 'w').close()\ndef make(*a, **k): raise SystemExit\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield sprung
    sys.modules.pop("ivr_trap", None)


def test_the_recorded_entry_point_is_never_called(trap):
    recorded = record(entry_point="ivr_trap:make", vector_entry_point="ivr_trap:make")
    env = task(pendulum_arguments(env=None, env_spec=recorded)).make_env()
    assert type(env.unwrapped).__name__ == "PendulumEnv"
    assert not trap.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "ivr_trap:Pendulum-v1"},
        {"kwargs": {"env_id": "ivr_trap:Pendulum-v1"}},
        {"kwargs": {"nested": [{"xml_file": "../elsewhere.xml"}]}},
        {
            "additional_wrappers": [
                {"name": "Trap", "entry_point": "ivr_trap:make", "kwargs": {}},
            ]
        },
    ],
)
def test_modules_files_and_wrappers_of_the_record_are_refused(changed, trap):
    with pytest.raises(UserError, match=r"dataset\.env"):
        make(pendulum_arguments(env=None, env_spec=record(**changed)))
    assert not trap.exists()


@pytest.mark.parametrize("name", ["Crane-v3", "SomeLab/Crane-v3"])
def test_an_environment_that_is_not_installed_is_told_from_what_does_not_fit(name):
    keywords = pendulum_arguments(env=None, env_spec=record(id=name))
    with pytest.raises(RecordedEnvironmentError, match=f"records? the environment {name}, .* not"):
        make(keywords)
    with pytest.raises(RecordedEnvironmentError, match=r"pip install 'crane\[sim\]>=2' drive\."):
        make(keywords, requirements=("crane[sim]>=2", "drive"))
    with pytest.raises(UserError, match="is not a registered environment") as caught:
        make(pendulum_arguments(env=name, env_spec=record(id=name)))  # asked for by name
    assert not isinstance(caught.value, RecordedEnvironmentError)


def test_a_recorded_environment_whose_constructor_fails_is_not_installed():
    recorded = {"env": None, "env_spec": record(kwargs={"colour": 1})}
    with pytest.raises(RecordedEnvironmentError, match="colour"):
        make(pendulum_arguments(**recorded))
    with pytest.raises(UserError, match="size") as caught:
        make(pendulum_arguments(**recorded, env_kwargs={"size": 2}))  # asked for by its arguments
    assert not isinstance(caught.value, RecordedEnvironmentError)


def test_nobody_waits_for_an_endless_episode():
    endless = {"max_episode_steps": None, "env_spec": record(max_episode_steps=10**12)}
    with pytest.raises(RecordedEnvironmentError, match=r"up to 1,000,000,000,000 steps: set"):
        make(pendulum_arguments(**endless, env=None))
    assert task(pendulum_arguments(**endless)).max_episode_steps == 200  # the registry's
    with pytest.raises(UserError, match=r"dataset\.max_episode_steps, to 1,000,000 at most"):
        make(pendulum_arguments(max_episode_steps=1_000_001))


def test_an_id_with_a_namespace_is_looked_up_and_nothing_else():
    gymnasium.register("lab/Swing-v0", entry_point=PendulumEnv, max_episode_steps=7)
    try:
        made = task(pendulum_arguments(env=None, env_spec=record(id="lab/Swing-v0")))
        assert made.env_id == "lab/Swing-v0"
    finally:
        gymnasium.registry.pop("lab/Swing-v0")


def test_a_named_environment_makes_the_record_irrelevant(trap):
    keywords = pendulum_arguments(env_spec=record(id="ivr_trap:Pendulum-v1"))
    assert task(keywords).env_id == "Pendulum-v1"
    assert not trap.exists()


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "7", "{}", '{"id": "x"}', '{"id": "x", "kwargs": 3}',
             '{"id": "x", "kwargs": {"maze_map": 3}}', '{"id": "x", "kwargs": {"maze_map": []}}',
             '{"id": "x", "kwargs": {}, "max_episode_steps": "many"}']
)  # fmt: skip
def test_a_malformed_record_is_said(text):
    with pytest.raises(UserError, match="cannot be read"):
        read_recorded(text)


def test_ours_are_not_taken_from_the_record():
    kwargs = {"render_mode": "human", "max_episode_steps": 3, "g": 9.0}
    assert read_recorded(record(kwargs=kwargs)).kwargs == {"g": 9.0}
