import json

import pytest

from ivr.data.sources.minari.metadata import read_metadata
from ivr.errors import UserError
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari


@pytest.mark.parametrize("value", [-1, 1.5, "2", None, True, [2], float("inf"), float("nan")])
@pytest.mark.parametrize("key", ["total_steps", "total_episodes"])
def test_totals_are_whole_numbers(tmp_path, key, value):
    path = write_minari(tmp_path / "made", encoded_episodes([2]), **{key: value})
    with pytest.raises(UserError, match=f"is not the metadata .*{key} is .* whole number from 0"):
        read_metadata(path / "data" / "metadata.json")


def test_metadata_that_are_no_metadata(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([2]))
    (path / "data" / "metadata.json").write_text('{"total_episodes": 1}')
    with pytest.raises(UserError, match=r"metadata\.json is not the metadata.*observation_space"):
        read_metadata(path / "data" / "metadata.json")


def test_actions_must_be_continuous(tmp_path):
    discrete = json.dumps({"type": "Discrete", "dtype": "int64", "start": 0, "n": 3})
    path = write_minari(tmp_path / "made", encoded_episodes([2]), action_space=discrete)
    with pytest.raises(UserError, match="action space is Discrete"):
        read_metadata(path / "data" / "metadata.json")


def test_images_are_refused(tmp_path):
    image = json.dumps({"type": "Box", "dtype": "uint8", "shape": [8, 8, 3], "low": 0, "high": 1})
    path = write_minari(tmp_path / "made", encoded_episodes([2]), observation_space=image)
    with pytest.raises(UserError, match=r"only vectors"):
        read_metadata(path / "data" / "metadata.json")
