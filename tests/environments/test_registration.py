import subprocess
import sys

import gymnasium
import pytest

from ivr.environments.registration import ENVIRONMENTS

IDS = [
    *(f"ivr/D4RLAntMaze-{maze}-v2" for maze in ("umaze", "medium", "large")),
    *(f"ivr/D4RLKitchen-{tasks}-v0" for tasks in ("complete", "partial", "mixed")),
]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("imports", ["ivr, gymnasium", "gymnasium, ivr", "ivr, gymnasium.spaces"])
def test_importing_ivr_registers_the_environments(imports: str) -> None:
    code = f"import {imports}; print([i for i in gymnasium.registry if i.startswith('ivr/')])"
    assert python(code) == str(IDS)


def test_importing_ivr_does_not_import_gymnasium() -> None:
    code = "import ivr, sys; print({'gymnasium', 'numpy', 'mujoco', 'torch'} & set(sys.modules))"
    assert python(code) == "set()"


def test_the_import_of_gymnasium_is_left_as_it_was() -> None:
    code = "import sys; before = list(sys.meta_path); import ivr, gymnasium; "
    assert python(code + "print([f for f in sys.meta_path if f not in before])") == "[]"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_limits_are_d4rls(name: str) -> None:
    limit = 280 if "Kitchen" in name else 700 if "umaze" in name else 1000
    assert gymnasium.spec(name).max_episode_steps == limit
