"""Columns of a frame are the data of a file with the same columns."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import ivr
from tests.api.api_making import SMALL, log, own

BOUNDS = {"action_low": 0, "action_high": 100}


def as_columns() -> dict[str, object]:
    arrays = log()
    names = ("level_m", "pressure_Pa", "flow")
    return {
        **dict(zip(names, arrays["observations"].T, strict=True)),
        "valve_percent": arrays["actions"][:, 0],
        "r": arrays["rewards"],
        "day": [f"2024-05-{1 + day:02}" for day in arrays["episode"]],
        "failed": arrays["terminated"],
    }


COLUMNS = {
    "observations": ["level_m", "pressure_Pa", "flow"],
    "actions": ["valve_percent"],
    "reward": "r",
    "episode": "day",
    "terminated": "failed",
}


class Series(np.ndarray):
    """A column with the method that pandas' have, and polars' with it."""

    def to_numpy(self) -> np.ndarray:
        return np.asarray(self)


class Polars(Series):
    def to_arrow(self) -> pa.Array:
        return pa.array(np.asarray(self))


def of_pandas(values: object) -> Series:
    return np.asarray(values).view(Series)


def of_polars(values: object) -> Polars:
    return np.asarray(values).view(Polars)


@pytest.mark.parametrize("kind", [np.asarray, pa.array, of_pandas, of_polars])
def test_columns_of_a_frame_are_the_same_data(kind):
    frame = {name: kind(column) for name, column in as_columns().items()}
    data = ivr.from_frame(pa.table(frame) if kind is pa.array else frame, **COLUMNS, **BOUNDS)
    assert data.fingerprint == own().fingerprint
    assert data.info.observation_names == ("level_m", "pressure_Pa", "flow")


def test_they_are_the_data_of_a_file_and_their_names_reach_the_policy(tmp_path):
    table = as_columns() | {"minute": np.tile(np.arange(12), 5)}
    shuffled = np.argsort(-table["minute"], kind="stable")  # the end of each day first
    mixed = {name: np.asarray(column)[shuffled] for name, column in table.items()}
    data = ivr.from_frame(mixed, **COLUMNS, time="minute", path=tmp_path / "mine.parquet", **BOUNDS)
    pa.parquet.write_table(pa.table(mixed), tmp_path / "log.parquet")
    columns = {f"columns.{key}": value for key, value in COLUMNS.items()} | {
        "columns.time": "minute"
    }
    file = ivr.load_dataset(path=tmp_path / "log.parquet", **columns, **BOUNDS)
    assert data.fingerprint == file.fingerprint and len(data) == 56
    assert sorted(data.rewards.tolist()) == sorted(own().rewards.tolist())
    run = ivr.train(dataset=data, folder=tmp_path / "run", **SMALL)
    policy = run.policy()
    assert policy.observation_names == ("level_m", "pressure_Pa", "flow")
    assert policy.action_names == ("valve_percent",)
    with pytest.raises(ivr.UserError, match=r"level_m, pressure_Pa, flow"):
        policy.act([0.0, 1.0])
    with pytest.raises(ivr.UserError, match=r"pressure_Pa is nan"):
        policy.act([0.0, np.nan, 1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observations": ["levle_m"]}, "no column levle_m: did you mean level_m"),
        ({"observations": ["level_m", "r"]}, "r stands in observations and in reward"),
        ({"observations": ["day"]}, "day"),
        ({"observations": ["pressure_Pa", "gap"]}, "gap"),
        ({"observations": ["mixed"]}, "mixed holds string"),
        ({"path": "log.csv"}, "ends in .parquet"),
    ],
)
def test_a_column_that_cannot_be_taken_is_named(change, message):
    gap = np.where(np.arange(60) == 7, np.nan, 1.0)
    with pytest.raises(ivr.UserError, match=message) as error:
        frame = as_columns() | {"gap": gap, "mixed": [1, "a"] * 30}
        ivr.from_frame(frame, **COLUMNS | change, **BOUNDS)
    assert "ivr_cache" not in str(error.value)


def test_episodes_with_missing_values_are_left_out_where_one_says():
    frame = as_columns() | {"gap": np.where(np.arange(60) == 7, np.nan, 1.0)}
    columns = COLUMNS | {"observations": ["pressure_Pa", "gap"]}
    with pytest.warns(UserWarning, match="missing"):
        left = ivr.from_frame(frame, **columns, missing="drop_episode", **BOUNDS)
    assert left.info.episodes == 4


def test_actions_beyond_their_bounds_are_clipped_where_one_says():
    narrow = {"action_low": 10, "action_high": 90}
    with pytest.raises(ivr.UserError, match="valve_percent"):
        ivr.from_frame(as_columns(), **COLUMNS, **narrow)
    with pytest.warns(UserWarning, match="valve_percent"):
        clipped = ivr.from_frame(as_columns(), **COLUMNS, **narrow, beyond_bounds="clip")
    assert clipped.actions.min() == pytest.approx(10, abs=1e-3)
    assert clipped.actions.max() == pytest.approx(90, abs=1e-3)


def test_columns_of_another_length_are_named():
    frame = as_columns() | {"r": [1.0]}
    with pytest.raises(ivr.UserError, match=r"different numbers of rows: .*r 1"):
        ivr.from_frame(frame, **COLUMNS, **BOUNDS)
    with pytest.raises(ivr.UserError, match="the frame has no column level_m"):
        ivr.from_frame(None, **COLUMNS, **BOUNDS)
