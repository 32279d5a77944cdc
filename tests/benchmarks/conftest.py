"""The programs import one another by name, as they do when they are run."""

from pathlib import Path

import h5py
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def on_the_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        patch.setenv("IVR_SHARED_DATA", "nowhere")
        yield


@pytest.fixture(scope="module")
def d4rl_file(tmp_path_factory):
    """Three hundred transitions in D4RL's format, six episodes."""
    path = tmp_path_factory.mktemp("data") / "small.hdf5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        walks = rng.normal(size=(6, 51, 5)).astype("f4")
        file["observations"] = walks[:, :-1].reshape(300, 5)
        file["next_observations"] = walks[:, 1:].reshape(300, 5)
        file["actions"] = rng.uniform(-1, 1, (300, 2)).astype("f4")
        file["rewards"] = rng.normal(size=300).astype("f4")
        file["terminals"] = np.arange(1, 301) % 100 == 0
        file["timeouts"] = np.arange(1, 301) % 100 == 50
    return path
