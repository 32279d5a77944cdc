"""Every test writes into pytest's folders only."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ivr.data.generation.pointmaze import generate
from ivr.data.sources.minari.location import datasets_root

# How long an example takes says more about the machine than about the code.
settings.register_profile("ivr", deadline=None)
settings.load_profile("ivr")


@pytest.fixture(scope="session", autouse=True)
def private_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as patch:
        for variable in (
            "MINARI_DATASETS_PATH", "D4RL_DATASET_DIR", "IVR_CACHE", "HOME", "XDG_CACHE_HOME",
            "TMPDIR",
        ):  # fmt: skip
            folder = root / variable.lower()
            folder.mkdir()
            patch.setenv(variable, str(folder))
        patch.setattr(tempfile, "tempdir", None)  # or the TMPDIR of before stays in force
        yield


@pytest.fixture(scope="session", autouse=True)
def no_power_cut() -> Iterator[None]:
    """What is written survives a process, which tests kill; syncing to the disk takes a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def small_pointmaze() -> Path:
    """A pointmaze-umaze of a few episodes, where `dataset=pointmaze-umaze` looks for it."""
    folder = datasets_root() / "ivr" / "pointmaze-umaze-v0"
    folder.mkdir(parents=True)
    generate("umaze", folder, transitions=2000)
    return folder
