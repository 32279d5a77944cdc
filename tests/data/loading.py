"""Loads a dataset from the keys of its spec, or from the node of a configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ivr.config.dataset import parse_dataset
from ivr.data import load
from ivr.data.dataset import OfflineDataset
from ivr.data.spec import DataSpec


def load_dataset(
    *, cache: Path | None = None, progress: bool = False, **keys: Any
) -> OfflineDataset:
    return load.load_dataset(DataSpec(**keys), cache, progress)


def load_node(node: Mapping[str, Any], cache: Path | None = None, **changed: Any) -> OfflineDataset:
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(node)), resolve=True)
    spec, _ = parse_dataset(plain | changed)
    return load.load_dataset(spec, cache, progress=False)
