"""Checks that the data are on this machine, or that there is a network to download them over.

Nothing of what reads them is imported here: torch and HDF5 take seconds, and this comes first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivr.data.sources.d4rl.location import SERVER, d4rl_root, locate_d4rl
from ivr.data.sources.minari.location import datasets_root, hub, locate
from ivr.errors import UserError


def check_available(dataset: Mapping[str, Any]) -> None:
    """Look where `load_dataset` will look, with the same keys, and download nothing.

    What is wrong with the keys themselves is left to those who read them.

    Raises:
        UserError: published data that are not on this machine and cannot be fetched, or a
            dataset.path that does not hold them or may not be read.
    """
    source, dataset_id, path = (dataset.get(key) for key in ("source", "id", "path"))
    if not isinstance(dataset_id, str | None):
        return
    try:
        if source == "minari" and isinstance(path, str | None):
            locate(dataset_id, path, download=False)
        if source == "d4rl_hdf5" and (isinstance(path, str | None) or _names(path)):
            locate_d4rl(dataset_id, path, download=False)
    except PermissionError as error:
        raise UserError(
            f"Cannot read {error.filename}, where the data may be: {error.strerror}. Ask its owner "
            "for the right to, or name another place with dataset.path="
        ) from error


def _names(path: Any) -> bool:
    return isinstance(path, list) and all(isinstance(one, str) for one in path)


def found_at(source: str, dataset_id: str) -> Path | None:
    """Find a dataset on this machine; None where it is not."""
    if source == "generated":  # whole or absent, see `generated`
        folders = (root / dataset_id for root in (datasets_root(), d4rl_root()))
        return next((folder for folder in folders if folder.is_dir()), None)
    if source == "minari":
        folder = datasets_root() / dataset_id
        return folder if (folder / "data" / "metadata.json").is_file() else None
    file = d4rl_root() / Path(dataset_id).name
    return file if file.is_file() else None


def fetched_from(source: str, dataset_id: str) -> str:
    """Name the address that a published dataset is downloaded from."""
    return hub() if source == "minari" else f"{SERVER}/{dataset_id}"
