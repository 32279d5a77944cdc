"""Inside a room imports go one way: no circle, and none climbs (the table in CONTRIBUTING.md)."""

from pathlib import Path

import pytest

from tests.importing import PACKAGE, circle, module_imports

ORDER = {
    "algos": ("engine", "shared", "..."),
    "data": ("sources", "cache", "generation", "dataset", "transforms", "serving", "..."),
    "evaluation": ("scores", "task", "stepping", "..."),
    "training": ("...", "callbacks", "record", "halving", "resume", "fit"),
}
"""Files and folders of a room; each imports from its left only. "..." is all that is not named."""


def entries(a: str, b: str) -> tuple[str, str, str]:
    """The innermost folder that holds both modules, and the entry of it that leads to each."""
    x, y = a.split("."), b.split(".")
    same = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), None)
    if same is None:  # a folder's own __init__ imports what is inside, or the other way round
        return a, a, a
    return ".".join(x[:same]), x[same], y[same]


def climbing(package: Path) -> list[str]:
    """One line for each import that goes from a room's left to its right."""
    found = []
    for path, line, a, b in module_imports(package):
        folder, importer, imported = entries(a, b)
        order = ORDER.get(folder.removeprefix("ivr."), ())
        if not order:
            continue
        left, right = (order.index(x if x in order else "...") for x in (importer, imported))
        if right > left:
            found.append(f"{path}:{line}: `{importer}` imports {b}, which is to the right of it")
    return found


def circles(package: Path) -> list[list[str]]:
    """A circle between modules, and in each folder one between the files and folders in it."""
    modules: dict[str, set[str]] = {}
    folders: dict[str, dict[str, set[str]]] = {}
    for _, _, a, b in module_imports(package):
        folder, importer, imported = entries(a, b)
        modules.setdefault(a, set()).add(b)
        if importer != imported:
            folders.setdefault(folder, {}).setdefault(importer, set()).add(imported)
    return [found for graph in (modules, *folders.values()) if (found := circle(graph))]


def test_no_import_climbs() -> None:
    found = climbing(PACKAGE)
    assert not found, "\n".join(["the order of CONTRIBUTING.md is broken:", *found])


def test_no_circle() -> None:
    assert circles(PACKAGE) == []


def test_what_the_order_names_is_there() -> None:
    for room, order in ORDER.items():
        for name in set(order) - {"..."}:
            path = PACKAGE / room / name
            assert path.is_dir() or path.with_suffix(".py").is_file(), path


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("algos/engine/base.py", "from ivr.algos.shared import sarsa"),
        ("algos/engine/base.py", "from ivr.algos import sql"),
        ("algos/shared/sarsa.py", "import ivr.algos.sql"),
        ("data/sources/d4rl/source.py", "from ...cache.store import build"),
        ("data/cache/store.py", "from ivr.data.transforms.subsets import Subset"),
        ("data/generation/ant.py", "def f():\n    from ivr.data import load"),
        ("data/transforms/subsets.py", "from ivr.data.serving.windows import Windows"),
        ("data/serving/windows.py", "from ..load import load_dataset"),
        ("evaluation/task/build.py", "from ivr.evaluation.stepping import pool"),
        ("evaluation/stepping/pool.py", "from ivr.evaluation.rollout import evaluate"),
        ("training/callbacks/guard.py", "from ivr.training.fit import fit"),
        ("training/members.py", "from ivr.training.callbacks.guard import Guard"),
    ],
)
def test_an_import_that_climbs_is_found(tmp_path: Path, file: str, code: str) -> None:
    found = climbing(write(tmp_path, {file: code, "data/load.py": "", "algos/sql.py": ""}))
    assert len(found) == 1 and f"{file}:{len(code.splitlines())}:" in found[0]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("algos/sql.py", "from ivr.algos.engine.base import B\nfrom ivr.algos.iql import I"),
        (
            "data/generation/ant.py",
            "from ivr.data.cache.store import s\nfrom ivr.data.sources import d",
        ),
        ("data/load.py", "from ivr.data.generation import ant\nfrom ivr.errors import UserError"),
        ("training/fit.py", "from ivr.training.callbacks import guard"),
    ],
)
def test_an_import_that_descends_passes(tmp_path: Path, file: str, code: str) -> None:
    assert climbing(write(tmp_path, {file: code})) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Three modules, one of which imports inside a function.
        (
            {
                "algos/a.py": "from ivr.algos.b import f",
                "algos/b.py": "from . import c",
                "algos/c.py": "def f():\n    import ivr.algos.a",
            },
            ["ivr.algos.a", "ivr.algos.b", "ivr.algos.c", "ivr.algos.a"],
        ),
        # Two rooms, and no circle between their modules.
        (
            {
                "inspection/a.py": "from ivr.report import b",
                "report/b.py": "",
                "report/c.py": "from ivr.inspection import d",
                "inspection/d.py": "",
            },
            ["inspection", "report", "inspection"],
        ),
        # A folder and a file beside it.
        (
            {
                "data/open.py": "from ivr.data.sources.d4rl import source",
                "data/sources/d4rl/source.py": "",
                "data/sources/d4rl/location.py": "import ivr.data.open",
            },
            ["open", "sources", "open"],
        ),
    ],
)
def test_a_circle_is_found(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    assert expected in circles(write(tmp_path, files))


def write(root: Path, files: dict[str, str]) -> Path:
    package = root / "ivr"
    for file, code in files.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(code, encoding="utf-8")
    return package
