"""Every test writes into pytest's folders only."""

import copy
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import pytest
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hypothesis import settings

from ivr.config.search import CONFIG_DIR
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


@pytest.fixture(scope="session", autouse=True)
def conf_is_read_once() -> Iterator[None]:
    """Nothing in conf/ changes meanwhile, and a third of composing it is reading its files."""
    Plugins.instance()
    source = SourcesRegistry.instance().resolve("file")
    read, known = source.load_config, dict[tuple[str, str], ConfigResult]()

    def load_config(self: ConfigSource, config_path: str) -> ConfigResult:
        if self.path != str(CONFIG_DIR):
            return read(self, config_path)
        key = self.provider, config_path
        known[key] = known.get(key) or read(self, config_path)
        return copy.deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "load_config", load_config)
        yield


@pytest.fixture(scope="session", autouse=True)
def models_are_compiled_once() -> Iterator[None]:
    """Half of a small run is MuJoCo's compiling the same maze for each of its environments."""
    compiled, known = mujoco.MjModel.from_xml_path, dict[bytes, mujoco.MjModel]()

    def from_xml_path(path: str, *assets: Any) -> mujoco.MjModel:
        xml = Path(path).read_bytes()
        if assets or b"file=" in xml:  # it is not all of the model
            return compiled(path, *assets)
        if xml not in known:
            known[xml] = compiled(path)
        return copy.copy(known[xml])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mujoco.MjModel, "from_xml_path", staticmethod(from_xml_path))
        yield


@pytest.fixture(scope="session")
def small_pointmaze() -> Path:
    """A pointmaze-umaze of a few episodes, where `dataset=pointmaze-umaze` looks for it."""
    folder = datasets_root() / "ivr" / "pointmaze-umaze-v0"
    folder.mkdir(parents=True)
    generate("umaze", folder, transitions=2000)
    return folder
