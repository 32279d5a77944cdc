"""What the Makefile and CI promise, without setting anything up."""

import contextlib
import os
import pty
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


def copy_of_what_sets_up(folder: Path) -> None:
    (folder / "scripts").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts/install.sh"):
        shutil.copy(ROOT / name, folder / name)


STAND_IN = """#!/usr/bin/env bash
# For Python: a first job that ends well where WHOLE is set, and a second that does not.
folder=$(printf '%s\\n' "$@" | sed -n 's/^hydra.sweep.dir=//p')
case $1 in
  train.py)
    if [ -n "${WHOLE:-}" ]; then mkdir -p "$folder/0"; touch "$folder/0/result.json"; fi
    exit 3;;
  report.py) echo reported;;
  -V) echo Python 3.12.0;;
esac
"""


@pytest.mark.parametrize("whole", [True, False])
def test_a_comparison_that_stops_reports_what_there_is(tmp_path, whole) -> None:
    copy_of_what_sets_up(tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    environment = {"PATH": os.environ["PATH"]} | ({"WHOLE": "1"} if whole else {})
    command = ["make", "compare", "PYTHON=.venv/bin/python"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "Error 3" in done.stderr
    assert ("reported" in done.stdout) == whole


SET_UP = """#!/usr/bin/env bash
# For Python: makes a .venv, and a pip that says much and fails where FAIL is set.
case "$*" in
  -V) echo Python 3.12.0;;
  "-m venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
  *pip*install*)
    case "$*" in *-q*) ;; *)
      for i in $(seq 100); do
        echo "Collecting package$i (from somewhere)"; echo "Requirement already satisfied"
      done;;
    esac
    if [ -n "${FAIL:-}" ]; then echo "ERROR: no such package" >&2; exit 1; fi;;
  train.py*) echo trained;;
esac
"""


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_setting_up_takes_a_line_and_shows_what_fails(tmp_path, terminal, fails) -> None:
    copy_of_what_sets_up(tmp_path)
    python = tmp_path / "python"
    python.write_text(SET_UP)
    python.chmod(0o755)
    environment = {"PATH": os.environ["PATH"]} | ({"FAIL": "1"} if fails else {})
    screen, other_side = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(
        ["make", "train", f"PYTHON={python}"],
        cwd=tmp_path,
        env=environment,
        stdout=other_side,
        stderr=other_side,
    ) as process:
        os.close(other_side)
        shown = _until_the_end(screen)
    lines = shown.replace("\r\n", "\n").splitlines()
    assert lines[0] == "Setting up .venv (once, a minute or two) ..."
    assert ("Collecting package100" in shown) == terminal
    assert "Requirement" not in shown and "somewhere" not in shown
    assert shown.count("\n") <= 4, "more than a few lines"
    assert (process.returncode == 0) == ("trained" in shown) == (not fails)
    assert ("ERROR: no such package" in shown) == fails
    assert bool(list((tmp_path / ".venv").glob(".ready-*"))) == (not fails)


INSTALLS = """#!/usr/bin/env bash
# For Python and uv: notes what is installed, by whom.
case "$*" in
  -V) echo Python 3.12.0;;
  "-m venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
  *"config list") echo "$PIP_SETTINGS";;
  *" uv") cp "$0" .venv/bin/uv; exit "${NO_UV:-0}";;
  *install*) all="$*"; echo "$(basename "$0") ${all#*install }${SSL_CERT_FILE:-}" >> installs
    if [ "$(basename "$0")" = uv ]; then exit "${UV_FAILS:-0}"; fi;;
esac
"""
UV = (
    "uv -q --python .venv/bin/python --index-strategy unsafe-best-match "
    "--extra-index-url file:///a --extra-index-url file:///b --find-links wheels "
    "-c constraints.txt -e "
)
PIP = "python --no-compile -c constraints.txt -e "


@pytest.mark.parametrize(
    ("target", "settings", "expected"),
    [
        ("train", {}, [f"{UV}./c"]),
        ("format", {}, [f"{UV}.[dev]/c"]),
        ("docs", {}, [f"{UV}.[docs]/c"]),
        ("train", {"UV_FAILS": "1"}, [f"{UV}./c", f"{PIP}. -qq"]),
        ("train", {"NO_UV": "1"}, [f"{PIP}. -qq"]),
    ],
)
def test_uv_installs_what_is_needed_with_the_settings_of_pip_or_else_pip(
    tmp_path, target, settings, expected
) -> None:
    copy_of_what_sets_up(tmp_path)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(INSTALLS)
    python.chmod(0o755)
    told = (
        "global.extra-index-url='file:///a file:///b'\n:env:.find-links='wheels'\n:env:.cert='/c'"
    )
    environment = {"PATH": "/usr/bin:/bin", "PIP_SETTINGS": told} | settings
    for _ in range(2):  # the second finds everything set up
        command = ["make", target, f"PYTHON={python}"]
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "installs").read_text().splitlines() == expected


def _until_the_end(screen: int) -> str:
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
        while data := os.read(screen, 4096):
            shown += data
    os.close(screen)
    return shown.decode()


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
