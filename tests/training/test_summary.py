"""What stands in the terminal when a run has ended."""

import pytest

from ivr.training.summary import next_steps, table


@pytest.mark.parametrize(
    ("speed", "shown"),
    [(0.043, ", 0.043 updates/s x 1"), (81.6, ", 82 updates/s x 1"), (None, "after 61 s\n")],
)
def test_slow_runs_have_a_speed_too(speed, shown):
    result = {
        "algo": "dt", "dataset": "arrays", "protocol": "released", "status": "finished",
        "updates_done": 3000, "wall_seconds": 61.2, "updates_per_second": speed,
        "dataset_source": "log.npz", "members": [{"last": None}],
    }  # fmt: skip
    text = table(result)
    assert shown in text and "dt on arrays (released): finished at update 3,000" in text
    assert "seed" not in text, "nothing was evaluated"


def test_only_what_exists_is_offered(tmp_path):
    assert "evaluate" not in next_steps(tmp_path) and "resume" not in next_steps(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    assert "evaluate" not in next_steps(tmp_path) and "resume=" in next_steps(tmp_path)
