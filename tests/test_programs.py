"""One table names the programs, whichever way they are started."""

import subprocess
import sys

import pytest

from ivr import __main__ as command_line
from ivr import __version__, programs
from ivr.programs import PROGRAMS, command
from tests.importing import PACKAGE

ROOT = PACKAGE.parents[1]


def test_the_table_is_the_folder_of_commands() -> None:
    assert set(PROGRAMS) == {path.stem for path in (PACKAGE / "commands").glob("[a-z]*.py")}


def test_a_checkout_has_scripts_and_an_installed_package_a_command(monkeypatch, tmp_path) -> None:
    assert command("evaluate") == "python evaluate.py"
    monkeypatch.setattr(programs, "_CHECKOUT", tmp_path)
    assert command("evaluate") == "ivr evaluate"


def test_the_arguments_of_a_program_reach_it(monkeypatch) -> None:
    started = []
    monkeypatch.setattr(command_line, "start", lambda name: started.append((name, *sys.argv[1:])))
    monkeypatch.setattr(sys, "argv", ["ivr", "list-datasets", "docs"])
    command_line.main()
    assert started == [("list_datasets", "docs")]


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_every_program(monkeypatch, capsys, arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["ivr", *arguments])
    command_line.main()
    shown = capsys.readouterr().out
    assert [name for name in PROGRAMS if f"  {name} " not in shown] == []


def test_a_misspelt_program_is_answered_without_a_library() -> None:
    code = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print('hydra' in sys.modules, 'torch' in sys.modules))\n"
        "sys.argv[1:] = ['tarin']\n"
        "runpy.run_module('ivr', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "Error: ivr has no program tarin: did you mean train?\n"
    assert done.stdout == "False False\n" and done.returncode == 1


def test_the_versions_agree() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
