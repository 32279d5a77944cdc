"""The walls between the rooms of src/ivr (the table in CONTRIBUTING.md)."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "ivr"

SHARED = {"types", "errors", "random", "mazes", "files", "views"}  # any room may import these
TOP = {"config", "commands"}  # only these know hydra, and no room knows them
CONFIGURATION = {"hydra", "omegaconf"}
LIGHTNING = {"pytorch_lightning", "lightning_fabric"}


@dataclass(frozen=True)
class Wall:
    rooms: set[str]  # other rooms that it may import, besides SHARED
    libraries: set[str] | None  # besides the standard library; None: all but CONFIGURATION


WALLS = {
    "losses": Wall(set(), {"torch"}),
    "nets": Wall(set(), {"torch"}),
    "algos": Wall({"losses", "nets"}, {"torch", *LIGHTNING}),
    "data": Wall(set(), None),
    "evaluation": Wall(set(), None),
    **{room: Wall(set(), {"torch", "numpy"}) for room in SHARED},
}


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import of a file, wherever in the file it stands."""
    parents = ("ivr", *path.relative_to(package).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "ivr":  # `from ivr import data` imports the room
                yield from ((node.lineno, f"ivr.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def violations(package: Path) -> list[str]:
    """One line a forbidden import: file, line, what it imports, and why it may not."""
    rooms = {p.stem for p in package.iterdir() if p.is_dir() or p.suffix == ".py"}
    found = []
    for path in sorted(package.rglob("*.py")):
        room = Path(path.relative_to(package).parts[0]).stem
        if room in TOP:
            continue
        wall = WALLS.get(room, Wall(rooms, None))
        for line, module in imports(path, package):
            library, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if library in CONFIGURATION:
                why = "only config, commands and the root scripts know hydra"
            elif library != "ivr":
                if wall.libraries is None or library in sys.stdlib_module_names | wall.libraries:
                    continue
                why = f"`{room}` imports only {sorted(wall.libraries)} and the standard library"
            elif other in TOP:
                why = "no room knows config or commands"
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
        ("random.py", "from ivr.data import load"),
        ("newroom.py", "import hydra"),
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
        ("commands/train.py", "import hydra\nfrom ivr import algos, config, data"),
        ("algos/sql.py", "from ivr import __version__"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, file: str, code: str) -> None:
    assert violations(_package(tmp_path, file, code)) == []


def _package(root: Path, file: str, code: str) -> Path:
    package = root / "ivr"
    for room in ("losses", "nets", "algos", "data", "evaluation", "config", "commands"):
        (package / room).mkdir(parents=True)
    for module in ("types", "errors", "random"):
        (package / f"{module}.py").touch()
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text(code, encoding="utf-8")
    return package
