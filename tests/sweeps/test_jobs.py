"""What folders say of jobs, damaged files included."""

import json
from pathlib import Path

import pytest

from ivr.errors import UserError
from ivr.sweeps.index import enlist, read_index, read_sweep
from ivr.sweeps.jobs import read_end, read_job, record_end
from ivr.sweeps.show import status_line, table
from ivr.training.folder import owned

RESULT = {
    "status": "finished", "updates_done": 100, "num_updates": 100, "wall_seconds": 3.5,
    "members": [{"last": {"normalized_score": 40.0, "return_mean": 1.0}}],
}  # fmt: skip


def finished(folder: Path, **more: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps({**RESULT, **more}))


def test_a_job_waits_runs_stops_fails_and_is_done(tmp_path: Path) -> None:
    assert read_job(tmp_path / "job").status == "waiting"
    finished(tmp_path / "job", status="running", updates_done=30)
    with owned(tmp_path / "job"):
        job = read_job(tmp_path / "job")
        assert (job.status, job.updates, job.share) == ("running", 30, 0.3)
        assert job.owner is not None and job.owner.startswith("process ")
    (tmp_path / "job" / "checkpoints").mkdir()
    (tmp_path / "job" / "checkpoints" / "last.ckpt").touch()
    assert read_job(tmp_path / "job").status == "killed", "nobody runs it, and nothing says why"
    finished(tmp_path / "job", status="interrupted", updates_done=30)
    assert read_job(tmp_path / "job").status == "stopped"
    record_end(tmp_path / "job", ["algo=sql"], error="no \x1b[31m alpha")
    job = read_job(tmp_path / "job")
    assert (job.status, job.error) == ("failed", "no \\x1b[31m alpha")
    finished(tmp_path / "job")
    record_end(tmp_path / "job", ["algo=sql"], returned=40.0)
    job = read_job(tmp_path / "job")
    assert (job.status, job.scores, job.seconds) == ("done", [40.0], 3.5)
    (tmp_path / "job" / "result.json").unlink()
    assert read_end(tmp_path / "job") is None, "nothing is done whose results are gone"


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{", '{"status": "done"}', '{"status": "well", "overrides": []}',
        '{"status": "failed", "overrides": [1], "returned": null, "error": null}',
    ],
)  # fmt: skip
def test_a_damaged_note_is_none(tmp_path: Path, content: str) -> None:
    finished(tmp_path)
    (tmp_path / "job.json").write_text(content)
    assert read_end(tmp_path) is None


def test_a_folder_keeps_the_names_of_its_jobs(tmp_path: Path) -> None:
    jobs = [["algo=sql", "seed=1"], ["algo=iql", "seed=1"]]
    assert enlist(tmp_path, jobs, {"algo"}) == ["algo-sql", "algo-iql"]
    turned = [["seed=1", "algo=iql"], ["seed=1", "algo=eql"], ["seed=2", "algo=eql"]]
    assert enlist(tmp_path, turned, {"algo", "seed"}) == [
        "algo-iql", "algo-eql_seed-1", "algo-eql_seed-2",
    ]  # fmt: skip
    assert list(read_index(tmp_path)) == [
        "algo-sql", "algo-iql", "algo-eql_seed-1", "algo-eql_seed-2",
    ]  # fmt: skip
    assert [job.status for job in read_sweep(tmp_path)] == ["waiting"] * 4


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"jobs": [], "swept": []}',
        '{"jobs": {"../../etc": []}, "swept": []}',
        '{"jobs": {"a/b": []}, "swept": []}',
        '{"jobs": {}, "swept": "algo"}',
    ],
)
def test_an_index_names_no_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(UserError, match="is damaged"):
        read_index(tmp_path)


def test_what_was_swept_over_earlier_is_in_later_names(tmp_path: Path) -> None:
    enlist(tmp_path, [["algo=sql", "seed=1"], ["algo=iql", "seed=1"]], {"algo"})
    assert enlist(tmp_path, [["algo=sql", "seed=2"]], set()) == ["algo-sql_seed-2"]
    assert enlist(tmp_path, [["algo=eql", "alpha=2"]], {"alpha"}) == ["algo-eql_alpha-2"]


def test_a_folder_without_a_sweep_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no sweep"):
        read_sweep(tmp_path)


def test_a_member_that_was_stopped_or_diverged_has_no_last_score(tmp_path: Path) -> None:
    def member(score: float, **more: object) -> dict[str, object]:
        return {"last": {"normalized_score": score, "return_mean": 1.0}, **more}

    members = [member(40.0), member(1.0, stopped={"update": 9}), member(2.0, diverged={"at": 3})]
    finished(tmp_path / "job", members=members)
    assert read_job(tmp_path / "job").scores == [40.0]


def test_numbers_that_no_clock_and_no_table_holds_are_none(tmp_path: Path) -> None:
    huge = [{"last": {"normalized_score": 1e308, "return_mean": 1.0}}]
    finished(tmp_path / "job", wall_seconds=1e308, members=huge)
    job = read_job(tmp_path / "job")
    assert (job.seconds, job.scores) == (None, [])
    assert "job" in table([job]) and "1 left" in status_line("night", [job])
