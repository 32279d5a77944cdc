"""Names and places of files: what mirrors what, and how full a folder is."""

import ast
from pathlib import Path

import pytest

from tests.importing import PACKAGE
from tests.running import composed

ROOT = PACKAGE.parents[1]
CONF = ROOT / "conf"
FILES_OF_A_FOLDER = 20
# Tests of what is no folder of src/ivr.
ELSEWHERE = {"ground_truth", "fixtures", "benchmarks", "scripts"}


def modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def full(package: Path) -> list[Path]:
    """The folders with more modules than a reader can take in."""
    folders = [package, *(path for path in package.rglob("*") if path.is_dir())]
    return [folder for folder in folders if len(list(folder.glob("*.py"))) > FILES_OF_A_FOLDER]


def unnamed(package: Path, classes: set[str]) -> tuple[set[str], set[str]]:
    """Modules of algos/ that no class is in, and classes that are in no module of algos/."""
    named = {f"ivr.algos.{module}" for module in modules(package / "algos")}
    homes = {path.rpartition(".")[0] for path in classes}
    return named - homes, {path for path in classes if path.rpartition(".")[0] not in named}


def without_command(root: Path, package: Path) -> set[str]:
    """Names of a root script or of a command that the other lacks."""
    return modules(root) ^ modules(package / "commands")


def astray(tests: Path, package: Path) -> list[Path]:
    """Folders of tests that no folder of the package has the name of."""
    folders = [path.parent.relative_to(tests) for path in tests.rglob("test_*.py")]
    return sorted(
        {f for f in folders if f.parts[:1] != () and f.parts[0] not in ELSEWHERE}
        - {path.relative_to(package) for path in package.rglob("*") if path.is_dir()}
    )


def test_ls_algos_is_what_algo_can_name() -> None:
    classes = {composed((f"algo={p.stem}",)).algo["class"] for p in (CONF / "algo").glob("*.yaml")}
    assert unnamed(PACKAGE, classes) == (set(), set())
    for path in classes:
        module, _, name = path.rpartition(".")
        code = ast.parse((PACKAGE / "algos" / f"{module.split('.')[-1]}.py").read_text())
        assert name in {node.name for node in code.body if isinstance(node, ast.ClassDef)}


def test_root_scripts_and_commands_have_the_same_names() -> None:
    assert without_command(ROOT, PACKAGE) == set()


def test_no_folder_is_too_full() -> None:
    assert full(PACKAGE) == []


def test_tests_mirror_the_package() -> None:
    assert astray(ROOT / "tests", PACKAGE) == []


def test_what_stands_in_the_wrong_place_is_found(tmp_path: Path) -> None:
    package, tests = tmp_path / "src" / "ivr", tmp_path / "tests"
    for file in ("algos/sql.py", "algos/helpers.py", "algos/__init__.py", "commands/train.py"):
        touch(package / file)
    touch(tmp_path / "train.py")
    assert without_command(tmp_path, package) == set()
    assert unnamed(package, {"ivr.algos.sql.SQL", "ivr.algos.engine.base.Base"}) == (
        {"ivr.algos.helpers"},
        {"ivr.algos.engine.base.Base"},
    )
    touch(tmp_path / "score.py")
    touch(package / "commands" / "listing.py")
    assert without_command(tmp_path, package) == {"score", "listing"}
    for file in ("algos/test_sql.py", "algos/engine/test_base.py", "scripts/test_ant.py"):
        touch(tests / file)
    assert astray(tests, package) == [Path("algos/engine")]


@pytest.mark.parametrize(("count", "found"), [(20, False), (21, True)])
def test_a_folder_that_is_too_full_is_found(tmp_path: Path, count: int, found: bool) -> None:
    for i in range(count):
        touch(tmp_path / "data" / "sources" / f"m{i}.py")
    assert full(tmp_path) == ([tmp_path / "data" / "sources"] if found else [])


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
