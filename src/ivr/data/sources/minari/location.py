"""Finds a Minari dataset: in a given folder, among the local datasets, or on the hub."""

import os
from pathlib import Path

from ivr.data.sources.downloads.network import first_host, reachable
from ivr.data.sources.stand_ins import stand_in
from ivr.errors import UserError


def datasets_root() -> Path:
    """Return Minari's folder of local datasets: $MINARI_DATASETS_PATH or ~/.minari/datasets."""
    root = os.environ.get("MINARI_DATASETS_PATH")
    return Path(root) if root else Path.home() / ".minari" / "datasets"


def locate(dataset_id: str | None, path: str | Path | None, download: bool = True) -> Path:
    """Find the folder above `data/`; download the dataset where it is not on this machine.

    With download=False it only checks that there is a network to download it over.

    Raises:
        UserError: nothing is there, or the download is not possible.
    """
    if path is not None:
        return _given(Path(path).expanduser())
    if not dataset_id:
        raise UserError("Neither dataset.id nor dataset.path is set: one of them names the data.")
    folder = datasets_root() / dataset_id
    if not (folder / "data" / "metadata.json").is_file():
        _download(dataset_id, folder, download)
    return folder


def _given(path: Path) -> Path:
    for folder in (path, path.parent):
        if (folder / "data" / "metadata.json").is_file() and path in (folder, folder / "data"):
            return folder
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir())
        found = f"holds {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
        found = found if names else "is empty"
    else:
        found = "is a file" if path.exists() else "does not exist"
    raise UserError(
        f"dataset.path={path} {found}. It must be the folder of a Minari dataset, the one above "
        "data/metadata.json and data/main_data.hdf5."
    )


def _download(dataset_id: str, folder: Path, download: bool) -> None:
    advice = (
        f"Put the dataset under MINARI_DATASETS_PATH={datasets_root()}, pass dataset.path=<the "
        f"folder above its data/>, or {stand_in(dataset_id)}"
    )
    host, port = first_host(hub())
    if not reachable(host, port):
        raise UserError(
            f"Cannot download {dataset_id}: no network ({host}:{port} does not answer). {advice}"
        )
    if not download:
        return
    try:
        import minari

        # What a broken download left is skipped by Minari unless it is forced.
        minari.download_dataset(dataset_id, force_download=folder.exists())
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"Cannot download {dataset_id}: {reason}. {advice}") from error


def hub() -> str:
    """Return the address that Minari's client first connects to."""
    if os.environ.get("MINARI_REMOTE", "hf://").startswith("gcp"):
        return "https://storage.googleapis.com"
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
