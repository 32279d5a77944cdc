"""paper.py: what it is given, what it goes on from, and a whole smoke test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.commands import paper
from ivr.errors import UserError
from ivr.paper import running
from ivr.paper.plan import Step
from tests.importing import PACKAGE
from tests.running import composed

ROOT = PACKAGE.parents[1]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("parts=[tabel]", "did you mean table"),
        ("parts=table", "must be a list"),
        ("options=device", "must be a list"),
        ("shares=[0.1]", "must be two shares"),
        ("keeps=[a,b]", "must be two shares"),
        ("tolerance=-1", "points from 0"),
        ("train=yes", "true or false"),
        ("failed=again", "skip or retry"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_run(tmp_path, monkeypatch, word, said):
    monkeypatch.setattr(running, "_call", lambda *_: pytest.fail("something was run"))
    words = (f"folder={tmp_path}", word)
    with pytest.raises(UserError, match=said):
        paper.run(composed(words, "paper"), tmp_path, list(words))


def test_the_options_of_every_command_are_a_quoted_list() -> None:
    given = "options=['hydra.launcher.n_jobs=4','algo.hidden=[8,8]']"
    found = composed((given,), "paper").options
    assert list(found) == ["hydra.launcher.n_jobs=4", "algo.hidden=[8,8]"]


def test_a_command_that_fails_stops_no_other(tmp_path, monkeypatch) -> None:
    started = []

    def call(arguments: list[str]) -> tuple[int, str]:
        started.append(arguments[3:])
        return (1, "no room") if "algo=bad" in arguments else (0, "")

    monkeypatch.setattr(running, "_call", call)
    plan = [
        Step("table", "train", tmp_path / "a", ("algo=bad",)),
        Step("table", "train", tmp_path / "b", (f"dataset.path={tmp_path}/gone",)),
        Step("table", "generate", tmp_path / "c", ("dataset=x",)),
        Step("online", "finetune", tmp_path / "d", ("online=sac",)),
    ]
    assert running.run_all(plan, ["device=cpu"]) == {plan[0]: "no room"}
    sweep = ["sweep=paper", f"hydra.sweep.dir={tmp_path / 'd'}"]
    assert started[1:] == [
        ["generate", "dataset=x"], ["finetune", "online=sac", *sweep, "device=cpu"]
    ]  # fmt: skip


def test_ctrl_c_ends_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(running, "_call", lambda *_: (130, ""))
    with pytest.raises(SystemExit) as ended:
        running.run_all([Step("table", "train", tmp_path, ("algo=sql",))], [])
    assert ended.value.code == 130


def test_the_error_of_a_program_is_kept() -> None:
    code = "import sys; print('x', file=sys.stderr); sys.exit('Error: there is no a:\\n  b\\n')"
    assert running._call([sys.executable, "-c", code]) == (1, "there is no a: b")


def smoke(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "paper.py", f"folder={folder}", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "IVR_SHARED_DATA": str(folder / "none")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_smoke_test_makes_all_parts_and_finds_them_again(tmp_path) -> None:
    status, said = smoke(tmp_path)
    assert status == 0, said[-3000:]
    results = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    parts = {path.relative_to(tmp_path).parts[0] for path in results}
    assert parts == {"table", "noisy", "small", "online"}
    assert {json.loads(path.read_text())["status"] for path in results} == {"finished"}
    text = (tmp_path / "index.md").read_text("utf-8")
    assert "What is missing" not in text and "fewer than 3 seeds" in text
    assert text.count("not run on the paper's data") >= 20
    status, said = smoke(tmp_path)
    assert status == 0, said[-3000:]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == results


@pytest.mark.slow
def test_a_job_that_fails_is_named_on_the_page(tmp_path) -> None:
    options = "options=['algo.hidden=[0]']"
    status, said = smoke(tmp_path, "parts=[small]", options)
    assert status == 1 and "the page says why" in said
    text = (tmp_path / "index.md").read_text("utf-8")
    assert "What is missing (8)" in text
    assert text.count("cannot be built: layers of [0] units") == 8
