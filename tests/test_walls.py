"""The walls between the rooms of src/ivr (the table in CONTRIBUTING.md)."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.importing import PACKAGE, imports

# Any room may import these.
SHARED = {"types", "errors", "random", "mazes", "files", "programs", "progress", "agreement"}
TOP = {"config", "commands", "__main__"}  # only these know hydra; the API alone knows them
API = {"api"}
CONFIGURATION = {"hydra", "omegaconf"}
LIGHTNING = {"pytorch_lightning", "lightning_fabric"}
# Physics are stepped where data are made and policies are evaluated, and nowhere else.
SIMULATORS = ("mujoco", "gymnasium_robotics", "gymnasium.envs.mujoco")
SIMULATING = ("data/generation/", "environments/", "evaluation/")


@dataclass(frozen=True)
class Wall:
    rooms: set[str]  # other rooms that it may import, besides SHARED
    libraries: set[str] | None  # besides the standard library; None: all but CONFIGURATION


WALLS = {
    "losses": Wall(set(), {"torch"}),
    "nets": Wall(set(), {"torch"}),
    "algos": Wall({"losses", "nets"}, {"torch", *LIGHTNING}),
    "data": Wall(set(), None),
    "environments": Wall(set(), {"numpy", *SIMULATORS, "gymnasium"}),
    "evaluation": Wall(set(), None),
    **{room: Wall(set(), {"torch", "numpy"}) for room in SHARED},
}


def _simulates(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in SIMULATORS)


def violations(package: Path) -> list[str]:
    """One line a forbidden import: file, line, what it imports, and why it may not."""
    rooms = {p.stem for p in package.iterdir() if p.is_dir() or p.suffix == ".py"}
    found = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).as_posix()
        room = place.partition("/")[0].removesuffix(".py")
        wall = WALLS.get(room, Wall(rooms, None))
        for line, module in imports(path, package):
            library, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if _simulates(module) and not place.startswith(SIMULATING):
                why = f"MuJoCo stays in {', '.join(SIMULATING)}"
            elif other in API and room not in {*API, "__init__"}:
                why = "the API is for those who use the package"
            elif room in TOP:
                continue
            elif library in CONFIGURATION:
                why = "only config, commands and the root scripts know hydra"
            elif library != "ivr":
                if wall.libraries is None or library in sys.stdlib_module_names | wall.libraries:
                    continue
                why = f"`{room}` imports only {sorted(wall.libraries)} and the standard library"
            elif other in TOP and room not in API:
                why = "no room but the API knows config or commands"
            elif other not in rooms or other in {room, *SHARED, *wall.rooms}:
                continue
            else:
                why = f"`{room}` imports only the rooms {sorted({*SHARED, *wall.rooms} - {room})}"
            found.append(f"{path}:{line}: imports {module}, but {why}")
    return found


def test_no_room_imports_what_it_must_not_know() -> None:
    found = violations(PACKAGE)
    assert not found, "\n".join(["walls broken (see CONTRIBUTING.md):", *found])


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("losses/value.py", "import numpy as np"),
        ("losses/value.py", "from ivr.nets import mlp"),
        ("nets/mlp.py", "from ..losses.value import f"),
        ("nets/mlp.py", "import pytorch_lightning"),
        ("algos/sql.py", "import torch\n\n\ndef f():\n    from ivr.data import load"),
        ("algos/sql.py", "from typing import TYPE_CHECKING as T\nif T:\n    import gymnasium"),
        ("algos/sql.py", "from omegaconf import DictConfig"),
        ("data/load.py", "from .. import algos"),
        ("data/load.py", "from ivr import evaluation"),
        ("data/deep/er.py", "from ...algos import sql"),
        ("data/load.py", "import ivr.commands.train"),
        ("evaluation/rollout.py", "import hydra.utils"),
        ("environments/antmaze.py", "import torch"),
        ("environments/antmaze.py", "from ivr.evaluation import rollout"),
        ("random.py", "from ivr.data import load"),
        ("data/sources/minari.py", "import mujoco"),
        ("data/load.py", "def f():\n    from gymnasium_robotics.envs.maze.maps import U_MAZE"),
        ("commands/train.py", "import mujoco"),
        ("inspection/plots.py", "import gymnasium.envs.mujoco"),
        ("newroom.py", "import hydra"),
        ("api/training.py", "from omegaconf import DictConfig"),
        ("commands/train.py", "from ivr.api import train"),
        ("training/fit.py", "import ivr.api.policy"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, code: str) -> None:
    package = _package(tmp_path, file, code)
    found = violations(package)
    assert len(found) == 1
    assert found[0].startswith(f"{package / file}:{len(code.splitlines())}: imports ")


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("losses/value.py", "import math\nimport torch.nn as nn\nfrom ivr.types import Batch"),
        ("algos/sql.py", "from ivr import random\nfrom ..losses import value\nfrom .base import B"),
        ("data/load.py", "import minari\nfrom ivr.errors import UserError\nfrom . import dataset"),
        ("api/training.py", "from ivr.config.call import call\nimport ivr.commands.train"),
        ("__init__.py", "from ivr.api import train"),
        ("commands/train.py", "import hydra\nfrom ivr import algos, config, data"),
        ("algos/sql.py", "from ivr import __version__"),
        ("data/generation/ant.py", "import mujoco\nimport gymnasium.envs.mujoco"),
        ("evaluation/task/build.py", "import gymnasium_robotics"),
        ("environments/antmaze.py", "import mujoco\nfrom ivr.mazes import Maze"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, file: str, code: str) -> None:
    assert violations(_package(tmp_path, file, code)) == []


def _package(root: Path, file: str, code: str) -> Path:
    package = root / "ivr"
    for room in ("losses", "nets", "algos", "data", "evaluation", "config", "commands", "api"):
        (package / room).mkdir(parents=True)
    for module in ("types", "errors", "random"):
        (package / f"{module}.py").touch()
    (package / file).parent.mkdir(parents=True, exist_ok=True)
    (package / file).write_text(code, encoding="utf-8")
    return package
