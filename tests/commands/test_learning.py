"""What the README promises of `python train.py`: SQL reaches the goal where imitation does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def last_success(folder: Path, algo: str) -> float:
    """The success rate at the end of the run that `python train.py algo=ALGO` makes."""
    done = subprocess.run(
        [sys.executable, "train.py", f"algo={algo}", f"hydra.run.dir={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((folder / "result.json").read_text())
    assert (result["status"], result["updates_done"]) == ("finished", 10_000)
    (member,) = result["members"]
    assert member["last"]["episodes"] == 50
    return float(member["last"]["success_rate"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sql_stitches_what_behaviour_cloning_cannot(tmp_path):
    assert last_success(tmp_path / "sql", "sql") >= 0.8
    assert last_success(tmp_path / "bc", "bc") < 0.3
