"""metrics.csv of a run that is resumed, whole and damaged."""

import random
from pathlib import Path

import pytest

from ivr.training.loggers.metrics_csv import CsvLogger
from ivr.training.members import Member

MEMBERS = [Member(0, None), Member(1, 0.5)]


def logger(folder: Path) -> CsvLogger:
    made = CsvLogger(folder, MEMBERS)
    for update in (1, 2, 3):
        made.log(update, {"loss/value": [0.5 * update, -update], "score": [1.0, 2.0]}, {})
    return made


def test_rows_after_the_checkpoint_are_dropped(tmp_path):
    made = logger(tmp_path)
    kept = made.path.read_text().splitlines()[:9]
    made.resume(2, 2)
    assert made.path.read_text().splitlines() == kept
    made.resume(0, 0)
    assert made.path.read_text() == "update,member,metric,value\n"


def test_an_evaluation_that_is_made_again_is_not_there_twice(tmp_path):
    """It was logged, and the run killed before the checkpoint that knows it."""
    made = logger(tmp_path)
    kept = made.path.read_text().splitlines()
    made.log(3, {"evaluation/score": [1.0, 2.0]}, {})
    again = made.path.read_text().splitlines()
    made.resume(3, 2)
    assert made.path.read_text().splitlines() == kept
    made.log(3, {"evaluation/score": [1.0, 2.0]}, {})
    made.resume(3, 3)
    assert made.path.read_text().splitlines() == again


@pytest.mark.parametrize("seed", range(5))
def test_damaged_rows_are_dropped_and_sound_ones_kept(tmp_path, seed):
    rng, made = random.Random(seed), logger(tmp_path)
    whole = made.path.read_bytes()
    for _ in range(40):
        a, b = sorted(rng.randrange(len(whole)) for _ in range(2))
        noise = rng.choice(
            [b"", bytes(b - a), rng.randbytes(b - a), b'"', b"\n1,seed0\n", b"1" * 5000]
        )
        made.path.write_bytes(whole[:a] + noise + whole[b:])
        made.resume(9, 9)
        found = made.path.read_text().splitlines()
        assert found[0] == "update,member,metric,value"
        assert all(len(line.split(",")) == 4 for line in found)
        assert set(whole[:a].decode().splitlines()[1:-1]) <= set(found)
