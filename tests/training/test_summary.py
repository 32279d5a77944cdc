"""What stands in the terminal when a run has ended."""

import shlex

import pytest

from ivr.config.overrides import at_home, parse_overrides, text
from ivr.config.resumed import quoted, to_repeat, trusted
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


def test_the_scores_fit_80_columns():
    """The longest that D4RL's sets give: scores of 3 digits, returns of 5, a million updates."""
    last = {"normalized_score": -100.0, "normalized_score_sem": 10.05, "return_mean": -12345.6,
            "return_sem": 1234.5, "episodes": 100}  # fmt: skip
    raw = last | {"normalized_score": None}
    result = {
        "algo": "sql", "dataset": "d", "protocol": "released", "status": "finished",
        "updates_done": 1_000_000, "wall_seconds": 1.0, "updates_per_second": 1.0,
        "dataset_source": "d", "evaluation": {"environment": "e"},
        "members": [{"seed": 1000, "alpha": 0.125, "last": one, "best": one | {"update": 950_000}}
                    for one in (last, raw)],
    }  # fmt: skip
    *_, header, first, second, _ = table(result).splitlines()
    assert len(header) == len(first) == len(second) <= 80
    assert first.split() == [
        "1000", "0.125", "-100.0±10.1", "-12345.6", "100", "-100.0±10.1", "950000"
    ]  # fmt: skip
    assert second.split()[2] == "-12345.6±1234.5"


def test_a_member_that_was_never_scored_has_a_row():
    """Stopped by a ranking, where the environment had failed."""
    last = {"normalized_score": None, "return_mean": 1.5, "return_sem": 0.5, "episodes": 2}
    never = {"seed": 0, "alpha": None, "last": None, "best": None, "stopped": {"update": 4}}
    result = {
        "algo": "sql", "dataset": "d", "protocol": "released", "status": "finished",
        "updates_done": 8, "wall_seconds": 1.0, "updates_per_second": 1.0, "dataset_source": "d",
        "evaluation": {"environment": "e"},
        "members": [never, {"seed": 1, "alpha": None, "last": last, "best": None}],
    }  # fmt: skip
    rows = [line.split() for line in table(result).splitlines()]
    assert ["0", "-", "-", "-", "-", "-", "-", "4"] in rows
    assert ["1", "-", "1.5±0.5", "1.5", "2", "-", "-", "-"] in rows


def test_a_success_rate_has_wilsons_interval_and_fits():
    """0 of 50 is 0 to 7 %, which a standard error of 0 hides."""
    last = {"normalized_score": 0.0, "normalized_score_sem": 0.0, "return_mean": 0.0,
            "return_sem": 0.0, "episodes": 50, "success_rate": 0.0, "success_low": 0.0,
            "success_high": 0.0713}  # fmt: skip
    whole = last | {"normalized_score": 100.0, "success_rate": 1.0, "success_low": 0.929,
                    "success_high": 1.0, "update": 950_000}  # fmt: skip
    result = {
        "algo": "sql", "dataset": "d", "protocol": "released", "status": "finished",
        "updates_done": 1, "wall_seconds": 1.0, "updates_per_second": 1.0, "dataset_source": "d",
        "evaluation": {"environment": "e"},
        "members": [{"seed": 1000, "alpha": 0.125, "last": last, "best": whole}],
    }  # fmt: skip
    row = table(result).splitlines()[-2]
    assert "0 [0, 7]" in row and "100 [93, 100]" in row and len(row) <= 80


def test_the_folder_of_a_sweeps_job_is_not_quoted(tmp_path):
    (tmp_path / "algo.hidden-64+64" / "checkpoints").mkdir(parents=True)
    (tmp_path / "algo.hidden-64+64" / "checkpoints" / "last.ckpt").touch()
    shown = next_steps(tmp_path / "algo.hidden-64+64", quoted)
    assert shown.endswith(f"resume={tmp_path}/algo.hidden-64+64/checkpoints/last.ckpt")


def test_only_what_exists_is_offered(tmp_path):
    assert "look" not in next_steps(tmp_path, quoted)
    assert "evaluate" not in next_steps(tmp_path, quoted)
    assert "resume" not in next_steps(tmp_path, quoted)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    (tmp_path / "tensorboard").mkdir()
    shown = next_steps(tmp_path, quoted)
    assert "look:     tensorboard" in shown
    assert "evaluate" not in shown and f"resume={tmp_path}/checkpoints/last.ckpt" in shown


def test_without_an_environment_policies_are_ranked_and_not_filmed(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").touch()
    shown, alone = (next_steps(tmp_path, quoted, evaluated=known) for known in (True, False))
    assert "video=true" in shown and "rank" not in shown
    assert "video=true" not in alone and f"rank.py runs={tmp_path}" in alone


def test_what_a_checkpoint_is_not_trusted_with_is_repeated(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    run = ["algo=iql", "dataset.env=mine:Toy-v0", "dataset.env_kwargs={file: a/b}", "seed=3"]
    (tmp_path / "checkpoints" / "best.ckpt").touch()
    *_, evaluate, command = next_steps(tmp_path, quoted, repeated=to_repeat(run)).splitlines()
    assert shlex.split(evaluate)[-2:] == ["env=mine:Toy-v0", "video=true"]
    given = shlex.split(command)[3:]
    assert given[1:] == ["dataset.env=mine:Toy-v0", "dataset.env_kwargs={file: a/b}"]
    assert trusted(tmp_path, run, given) == ["algo=iql", "seed=3"]


@pytest.mark.parametrize("name", ["a=b, c", "end\\", "${oc.env:HOME}", "it's", "~", "größe"])
def test_the_shell_and_hydra_read_the_command_back(tmp_path, name):
    (tmp_path / name / "checkpoints").mkdir(parents=True)
    path = tmp_path / name / "checkpoints" / "last.ckpt"
    path.touch()
    command = next_steps(tmp_path / name, quoted).splitlines()[-1]
    (override,) = parse_overrides([at_home(word) for word in shlex.split(command)[-1:]])
    assert text(override) == str(path)
