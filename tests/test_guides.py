"""What docs/adding.md shows can be typed in as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "adding.md").read_text("utf-8")
SHORT = ("num_updates=4", "eval_every=4", "eval_episodes=1", "compile=false", "algo.hidden=[8]")
LOGGER = """
from pytorch_lightning.loggers import CSVLogger


class MyLogger(CSVLogger):
    def __init__(self):
        super().__init__("mine")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the guide: each block that names a path in its first lines, as it stands."""
    for text in re.findall(r"```\w+\n(.*?)```", GUIDE, re.DOTALL):
        path = re.match(r"(?:# @.*\n)?# (my_[\w./]+)\n", text)
        if path:
            (tmp_path / path[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path[1]).write_text(text)
    (tmp_path / "my_package" / "logger.py").write_text(LOGGER)
    return tmp_path


def train(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "train.py", "--config-dir", "my_conf", *words, *SHORT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_algorithm_and_logger_train(folder: Path) -> None:
    data = ("dataset=pointmaze-umaze", "dataset.transitions=1000")
    train(folder, "algo=above", "logger=[default,mine]", *data)
    assert list(folder.glob("outputs/pointmaze-umaze/above/*/result.json"))
    assert list(folder.glob("mine/**/metrics.csv"))


def test_its_dataset_trains(folder: Path) -> None:
    csv = folder / "log.csv"
    csv.write_text(
        "observation,action,rewards,episode\n"
        + "".join(f"{i % 7},{i % 3},{i % 2},{i // 50}\n" for i in range(200))
    )
    train(folder, "dataset=plant", f"dataset.path={csv}", "batch_size=16")
    assert list(folder.glob("outputs/plant/sql/*/result.json"))
