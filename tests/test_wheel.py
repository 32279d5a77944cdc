"""The installed package works outside of a checkout, with its configuration inside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.importing import PACKAGE

pytestmark = pytest.mark.slow

ROOT = PACKAGE.parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into; what it depends on stays where it is."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("ivr-*.whl")
    site = folder / "site"
    subprocess.run([*PIP, "install", "-q", "--no-deps", "--target", site, wheel], check=True)
    return site


def ivr(site: Path, folder: Path, *arguments: str) -> str:
    """What the installed command prints in a folder."""
    # In an editable environment src/ would be found as well, but later.
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, str(site / "bin" / "ivr"), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_trains_into_the_current_folder(site: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "short.yaml").write_text(
        "# @package _global_\n"
        "num_updates: 4\neval_every: 4\neval_episodes: 1\nalgo: {hidden: [8]}\n"
    )
    words = ("dataset=pointmaze-umaze", "dataset.transitions=1000", "compile=false")
    shown = ivr(site, tmp_path, "train", "--config-dir", "mine", "experiment=short", *words)
    (result,) = tmp_path.glob("outputs/pointmaze-umaze/sql/*/result.json")
    assert "evaluate: ivr evaluate checkpoint=outputs/" in shown
    best = (result.parent / "checkpoints" / "best.ckpt").relative_to(tmp_path)
    ivr(site, tmp_path, "evaluate", f"checkpoint={best}", "episodes=1")


def test_it_answers_without_a_checkout(site: Path, tmp_path: Path) -> None:
    assert "ivr train algo=sql dataset=" in ivr(site, tmp_path, "train", "--help")
    assert "Sparse" in ivr(site, tmp_path, "list_algorithms")
    assert "hopper-medium" in ivr(site, tmp_path, "list_datasets")


def test_what_is_not_code_is_installed_with_it(site: Path) -> None:
    others = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert len(others) >= 4, "policies of the Ants, pages"
    assert {path for path in others if not (site / "ivr" / path).is_file()} == set()
