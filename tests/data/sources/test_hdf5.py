"""An HDF5 file is read for what it holds itself."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ivr.data.sources.hdf5 import own_entry
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari


def _external_link(file: h5py.File, place: str, other: Path, shape: tuple[int, ...]) -> None:
    file[place] = h5py.ExternalLink(str(other), "secret")


def _by_a_soft_link(file: h5py.File, place: str, other: Path, shape: tuple[int, ...]) -> None:
    file["aside"] = h5py.ExternalLink(str(other), "/")
    file[place] = h5py.SoftLink("/aside/secret")


def _external_storage(file: h5py.File, place: str, other: Path, shape: tuple[int, ...]) -> None:
    file.create_dataset(place, shape, "f4", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def _virtual(file: h5py.File, place: str, other: Path, shape: tuple[int, ...]) -> None:
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(str(other), "secret", shape)
    file.create_virtual_dataset(place, layout)


WAYS = [_external_link, _by_a_soft_link, _external_storage, _virtual]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", ["d4rl_hdf5", "minari"])
def test_no_other_file_is_read(tmp_path, way, source, missing):
    other = tmp_path / "other.hdf5"
    if not missing:
        with h5py.File(other, "w") as file:
            file["secret"] = np.zeros(8, np.float32)
    if source == "minari":
        path = write_minari(tmp_path / "made", encoded_episodes([8]))
        changed, place = path / "data" / "main_data.hdf5", "episode_0/rewards"
    else:
        columns = encoded_columns([Made(3, "timeout"), Made(5, "terminal")])
        path = changed = write_d4rl(tmp_path / "a.hdf5", columns)
        place = "rewards"
    with h5py.File(changed, "r+") as file:
        del file[place]
        way(file, place, other, (8,))
    place = "aside" if way is _by_a_soft_link else place
    with pytest.raises(UserError, match=rf"{changed}: {place} is .*Copy the arrays into one file"):
        load_dataset(name="x", source=source, path=path, view="flat", cache=tmp_path / "cache")


def test_links_inside_a_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["deep/values"] = np.arange(3)
        file["deep/near"] = h5py.SoftLink("values")
        file["far"] = h5py.SoftLink("/deep/near")
        file["round"] = h5py.SoftLink("/round")
        for place in ("deep/values", "deep/near", "far"):
            assert own_entry(file, place)[()].tolist() == [0, 1, 2]
        with pytest.raises(KeyError):
            own_entry(file, "deep/none")
        with pytest.raises(KeyError, match="too many links"):
            own_entry(file, "round")
