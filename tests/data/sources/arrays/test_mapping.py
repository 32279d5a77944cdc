"""dataset.columns says which columns are what; their names reach whoever serves the policy."""

import numpy as np
import pytest

from ivr.agreement.names import Names
from ivr.data.sources.arrays.files import read_arrays
from ivr.data.sources.arrays.mapping import ColumnMap
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.arrays.arrays_making import write_table

_LOG = {
    "day": ["mon", "mon", "mon", "tue", "tue"],
    "unit": [1, 1, 1, 1, 2],
    "zone_temp_C": [20.0, 21, 22, 23, 24],
    "flow [l/s]": [1.0, 2, 3, 4, 5],
    "zone2_temp_C": [10.0, 11, 12, 13, 14],
    "valve": [0.0, 0.25, 0.5, 0.75, 1],
    "cost": [-1.0, -2, -3, -4, -5],
}
_COLUMNS = {
    "observations": ["flow [l/s]", "zone*"],
    "actions": "valve",
    "reward": "cost",
    "episode": ["day", "unit"],
}


def _write(path, kind):
    if kind != "npz":
        return write_table(path / "log", _LOG, kind)
    np.savez(path / "log.npz", **{key: np.array(values) for key, values in _LOG.items()})
    return path / "log.npz"


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_columns_are_joined_in_the_order_as_given(tmp_path, kind):
    with pytest.warns(UserWarning, match="without terminated"):
        data = load_dataset(
            name="x", source="arrays", path=_write(tmp_path, kind), columns=_COLUMNS, view="flat",
            cache=tmp_path / "cache", action_low=0, action_high=1,
        )  # fmt: skip
    # The last row of (mon, 1), and both one-row episodes, have no next observation.
    assert data.observations.tolist() == [[1, 20, 10], [2, 21, 11], [3, 22, 12]]
    assert data.rewards.tolist() == [-1, -2]
    assert data.info.observation_names == ("flow [l/s]", "zone_temp_C", "zone2_temp_C")
    assert data.info.action_names == ("valve",)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"observations": ["zone_temp"]}, r"has no column zone_temp: did you mean zone_temp_C"),
        ({"observations": ["pump*"]}, r"no column like pump\*; it has day, unit"),
        ({"observations": ["zone*", "zone_temp_C"]}, "zone_temp_C is named twice"),
        ({"observations": ["valve"]}, "valve stands in observations and in actions, so the policy"),
        ({"observations": 0.5}, "dataset.columns.observations=0.5: must be the name of a column"),
        ({"reward": ["cost", "valve"]}, "dataset.columns.reward=.*: must be the name of a column$"),
        ({"observation": "valve"}, "unknown key dataset.columns.observation: did you mean obs"),
        ({"observations": []}, r"dataset.columns.observations=\[\]: must be"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, columns, says):
    with pytest.raises(UserError, match=says):
        read_arrays(_write(tmp_path, "csv"), ColumnMap.parse(_COLUMNS | columns))


def test_a_wildcard_takes_no_column_of_another_role(tmp_path):
    columns = ColumnMap.parse(_COLUMNS | {"observations": "*"})
    table = read_arrays(_write(tmp_path, "csv"), columns)
    assert table.names.observations == ("zone_temp_C", "flow [l/s]", "zone2_temp_C")
    assert table.others == []


def test_arrays_of_several_numbers_are_named_by_number(tmp_path):
    pose, speed = np.zeros((3, 2)), np.ones(3)
    np.savez(tmp_path / "a.npz", pose=pose, speed=speed, u=speed, r=speed, terminated=[0, 0, 1])
    columns = ColumnMap.parse({"observations": ["speed", "pose"], "actions": "u", "reward": "r"})
    table = read_arrays(tmp_path / "a.npz", columns)
    assert table.names == (("speed", "pose[0]", "pose[1]"), ("u",))
    assert table.arrays["observations"].tolist() == [[1, 0, 0]] * 3


def test_an_archive_may_name_the_numbers_of_its_arrays(tmp_path):
    arrays = {"observations": np.zeros((3, 2)), "actions": np.ones(3), "rewards": np.ones(3)}
    arrays |= {"terminated": np.array([0, 0, 1]), "observation_names": np.array(["a_Pa", "b\x1b"])}
    np.savez(tmp_path / "a.npz", **arrays, action_names=np.array([b"valve"]))
    assert read_arrays(tmp_path / "a.npz").names == (("a_Pa", "b\\x1b"), ("valve",))
    np.savez(tmp_path / "b.npz", **arrays, action_names=np.array(["a", "b"]))
    with pytest.raises(
        UserError, match=r"action_names has shape \(2,\).*should be \(1,\) of texts"
    ):
        read_arrays(tmp_path / "b.npz")


def test_an_episode_may_be_named_by_a_folder(tmp_path):
    for day in (1, 2):
        folder = tmp_path / "hive" / f"day={day}"
        folder.mkdir(parents=True)
        write_table(folder / "a", {"s": [1.0, 2, 3], "u": [0.0, 1, 0], "r": [1.0, 1, 1]}, "csv")
    columns = {"observations": "s", "actions": "u", "reward": "r", "episode": "day"}
    data = load_dataset(
        name="x", source="arrays", path=tmp_path / "hive", columns=columns, view="flat",
        cache=tmp_path / "cache", action_low=0, action_high=1,
    )  # fmt: skip
    assert data.info.episodes == 2 and data.observations[:, 0].tolist() == [1, 2, 3] * 2


def test_numbers_without_a_name_are_counted():
    known = {"observation_dim": 2, "action_low": [0], "action_names": ["valve"]}
    assert Names.of({"dataset": known}) == (("observation_0", "observation_1"), ("valve",))
