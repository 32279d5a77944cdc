"""What a run prints and keeps, on terminals that know few characters."""

import logging
import os
import subprocess
import sys

import yaml

from ivr.config.run_files import Printable, run_files
from ivr.config.search import CONFIG_DIR

_CODE = """
import logging, sys
from pathlib import Path
from ivr.config import command_line
from ivr.config.run_files import run_files

command_line._print_anything()
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
with run_files(Path("run"), {}) as files:
    files.begin()
    logging.info("score 1.0\\u00b10.5 of \\udce9t\\udce9")
sys.argv = ["list_algorithms"]
command_line.main("list_algorithms")
"""


def test_what_would_steer_a_terminal_is_spelled_out(tmp_path):
    """A message may quote a file: its name, its columns, what a checkpoint says."""
    hostile = "column \x1b[2J\x9b1m and\ta line\nmore"
    with run_files(tmp_path, {}) as files:
        files.begin()
        logging.getLogger("ivr").error(hostile)
    kept = (tmp_path / "log.txt").read_text()
    assert kept.endswith(r"column \x1b[2J\x9b1m and" "\ta line\nmore\n") and "\x1b" not in kept
    (handler,) = yaml.safe_load((CONFIG_DIR / "hydra/job_logging/ivr.yaml").read_text())[
        "formatters"
    ].values()
    assert handler["class"] == f"{Printable.__module__}.{Printable.__qualname__}"
    for name in CONFIG_DIR.glob("*.yaml"):
        assert "override hydra/job_logging: ivr\n" in name.read_text(), name


def test_in_an_ascii_locale_nothing_is_lost(tmp_path):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", _CODE], env=os.environ | ascii_only, cwd=tmp_path,
        capture_output=True, check=True,
    )  # fmt: skip
    assert b"score 1.0?0.5 of ?t?" in done.stdout and b"Error" not in done.stderr
    log = (tmp_path / "run" / "log.txt").read_text("utf-8")
    assert "score 1.0\u00b10.5 of \\udce9t\\udce9" in log
