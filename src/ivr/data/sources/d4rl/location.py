"""Finds D4RL's HDF5 files: at a given path, in D4RL's own folder, on its server, on a mirror."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ivr.data.sources.d4rl.published import find_published
from ivr.data.sources.downloads.fetch import FAILURES, Expected, fetch
from ivr.data.sources.downloads.network import first_host, reachable
from ivr.data.sources.downloads.record import record_of, recorded
from ivr.data.sources.limits import check_regular
from ivr.data.sources.stand_ins import stand_in
from ivr.errors import UserError

SERVER = "http://rail.eecs.berkeley.edu/datasets/offline_rl"
MIRROR = "https://huggingface.co/datasets/imone/D4RL/resolve/main"


def d4rl_root() -> Path:
    """Return D4RL's folder of downloads: $D4RL_DATASET_DIR or ~/.d4rl/datasets."""
    root = os.environ.get("D4RL_DATASET_DIR")
    return Path(root) if root else Path.home() / ".d4rl" / "datasets"


def addresses(dataset_id: str) -> tuple[str, ...]:
    """Name the addresses of a file, in the order in which they are tried.

    The mirror, which has no folders, is there because D4RL's server is down for weeks at a time.
    """
    return f"{SERVER}/{dataset_id}", f"{MIRROR}/{Path(dataset_id).name}"


def locate_d4rl(
    dataset_id: str | None,
    path: str | Path | Sequence[str] | None,
    progress: bool = True,
    download: bool = True,
) -> list[Path]:
    """Find the files of a dataset; download the published one where it is not on this machine.

    Args:
        dataset_id: the file's path on D4RL's server, as in gym_mujoco_v2/hopper_medium-v2.hdf5.
        path: instead of it a file, a folder with that file, or several of these.
        progress: show the download.
        download: False to check only that there is a network to download over.

    Raises:
        UserError: nothing is there, or the download is not possible.
    """
    if path is not None:
        paths = [path] if isinstance(path, str | Path) else path
        if not paths:
            raise UserError("dataset.path=[] names no file: give at least one.")
        return [_given(dataset_id, Path(one).expanduser()) for one in paths]
    if not dataset_id:
        raise UserError("dataset.path is not set: give a D4RL HDF5 file, dataset.path=file.hdf5.")
    file = d4rl_root() / Path(dataset_id).name
    if not file.is_file():
        _download(dataset_id, file, progress, download)
    if file.is_file():
        _check_size(file)
    return [file]


def _given(dataset_id: str | None, path: Path) -> Path:
    check_regular(path)
    if path.is_file():
        return path
    name = Path(dataset_id).name if dataset_id else None
    if name and (path / name).is_file():
        return path / name
    wanted = f" or a folder that holds {name}" if name else ""
    if not path.is_dir():
        raise UserError(f"dataset.path={path} does not exist. Give a D4RL HDF5 file{wanted}.")
    found = sorted(entry.name for entry in path.iterdir())
    listed = f"holds {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}"
    raise UserError(
        f"dataset.path={path} is a folder that {listed if found else 'is empty'}. Give a D4RL "
        f"HDF5 file{wanted}."
    )


def _download(dataset_id: str, file: Path, progress: bool, download: bool) -> None:
    """Fetch a file from the first address that delivers it.

    Raises:
        UserError: none does; the message says what came of each place.
    """
    name, record = find_published(dataset_id)
    expected = Expected(record.bytes, record.sha256) if record else Expected()
    urls = addresses(dataset_id)
    hosts = [first_host(url) for url in urls]
    with ThreadPoolExecutor() as pool:  # at once: each may take seconds to be silent
        answers = list(pool.map(lambda host: reachable(*host), hosts))
    if any(answers) and not download:
        return
    tried = [f"{file.parent}: it is not there"]
    for url, (host, port), answer in zip(urls, hosts, answers, strict=True):
        if not answer:
            tried.append(f"{url}: {host}:{port} does not answer")
            continue
        try:
            fetch(url, file, progress, expected)
            return
        except FAILURES as error:
            tried.append(f"{url}: {error}")
    places = "".join(f"\n  {place}" for place in tried)
    raise UserError(
        f"Cannot download {file.name}{'' if any(answers) else ': no network'}. Tried:{places}\n"
        f"Put {file.name} into {file.parent} (D4RL_DATASET_DIR names another folder than "
        "~/.d4rl/datasets), pass dataset.path=<the file or its folder>, or "
        f"{stand_in(dataset_id, name)}"
    )


def _check_size(file: Path) -> None:
    """Check that a downloaded file still has its size; its conversion checks the content."""
    facts = recorded(file)
    if facts is not None and file.stat().st_size != facts["bytes"]:
        raise UserError(
            f"{file} has {file.stat().st_size:,} bytes and had {facts['bytes']:,} when it was "
            f"fetched: delete it and {record_of(file).name}."
        )
