"""status.py says how a sweep stands, and what is wrong with what it was given."""

from pathlib import Path

import pytest

from ivr.commands import status
from ivr.errors import UserError
from ivr.sweeps.index import enlist
from ivr.sweeps.jobs import record_end
from tests.running import composed


def test_it_counts_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    enlist(tmp_path, [["algo=sql"], ["algo=iql"]], {"algo"})
    record_end(tmp_path / "algo-iql", ["algo=iql"], error="alpha=1: iql has no alpha")
    words = (f"folder={tmp_path}",)
    line = status.run(composed(words, "status"), tmp_path, list(words))
    assert line == f"sweep {tmp_path.name}: 0 of 2 jobs done, 1 failed, 1 left"
    assert "failed: algo-iql: alpha=1: iql has no alpha" in caplog.text


def test_the_command_that_it_names_can_be_typed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "my sweep"
    enlist(folder, [["algo=sql"]], {"algo"})
    record_end(folder / "algo-sql", ["algo=sql"], error="x")
    words = (f"folder='{folder}'",)
    status.run(composed(words, "status"), tmp_path, list(words))
    assert f"'{folder}'" in caplog.text


@pytest.mark.parametrize("words", [(), ("folder=/nowhere",)])
def test_a_folder_without_a_sweep_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="folder"):
        status.run(composed(words, "status"), tmp_path, [])
