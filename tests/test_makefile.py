"""What the Makefile and CI promise, without setting anything up."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> str:
    # Flags of a make that runs these tests must not reach this one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_lists_every_target_and_is_the_default() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = [line.split()[0] for line in make("help").splitlines()[1:]]
    assert sorted(listed) == sorted(phony[1].split())
    assert make() == make("help")


def test_train_passes_its_arguments_through() -> None:
    commands = make("--dry-run", "train", "ARGS=algo=eql seed=3").splitlines()
    assert commands[-1] == ".venv/bin/python train.py algo=eql seed=3"


def test_ci_runs_make_test() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert script[0] == "#!/usr/bin/env bash"
    assert "make test" in script
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_constraints_pin_every_line_and_no_build_of_torch() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert any(line.startswith("torch==") for line in pins)
