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
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(tmp_path)
        assert command("evaluate") == "python -m ivr evaluate"
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


@pytest.mark.parametrize("program", ["list_algorithms", "list_datasets"])
def test_a_program_that_lists_explains_itself(monkeypatch, capsys, program) -> None:
    monkeypatch.setattr(sys, "argv", ["ivr", program, "--help"])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 0 and "its only argument is docs" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["ivr", program, "dosc"])
    with pytest.raises(SystemExit, match=r"^Error: dosc: "):
        command_line.main()


def test_who_reads_what_is_printed_may_stop() -> None:
    code = "import runpy, sys; sys.argv[1:] = ['list_algorithms']; runpy.run_module('ivr', "
    code += "run_name='__main__')"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


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
