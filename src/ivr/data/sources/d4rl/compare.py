"""Compares files with those that D4RL published under the name that they are read by."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ivr.data.sources.d4rl.columns import open_columns
from ivr.data.sources.d4rl.published import PUBLISHED, find_published
from ivr.data.sources.downloads.record import digest_of, record_of, recorded
from ivr.errors import UserError
from ivr.files import write_text

_SAMPLE = 1000
"""Rows of a file that are looked at to tell robots apart."""

_ROBOT = re.compile("halfcheetah|hopper|walker2d|ant_maze|kitchen", re.IGNORECASE)


def unlike_published(
    name: str, dataset_id: str | None, paths: Sequence[Path], rows: int, root: Path
) -> str | None:
    """Say how files differ from what is published under a name; None where nothing differs.

    Reads the whole file. Of one whose digest is not on record, the bytes and the SHA-256 of its
    first use are kept beside its place in `root`, and compared from then on.

    Args:
        name: of the dataset; names that are not D4RL's promise nothing.
        dataset_id: the path on D4RL's server that goes with it.
        paths: the files that are read in its place.
        rows: how many they hold.
        root: D4RL's folder of downloads.
    """
    known, record = find_published(dataset_id)
    if name in PUBLISHED and known != name:
        return f"dataset.id={dataset_id} is not its file, {PUBLISHED[name].id}"
    if record is None:
        return None
    if len(paths) != 1:
        return f"{len(paths)} files, where one is published"
    (path,) = paths
    first = record_of(root / record.file)
    kept = None if record.sha256 else recorded(root / record.file)
    size = record.bytes or (kept and kept["bytes"])
    sha256 = record.sha256 or (kept and kept["sha256"])
    found = []
    if record.rows not in (None, rows):
        found.append(f"{rows:,} rows ({record.rows:,} on record)")
    own = path.stat().st_size
    if size not in (None, own):
        rows_too = "" if found else f"{rows:,} rows, "
        found.append(f"{rows_too}{own:,} bytes ({size:,} on record)")
    if found:  # the digest differs then as well
        return f"{path} has {' and '.join(found)}"
    digest = digest_of(path)
    if sha256 not in (None, digest):
        return f"{path} has the SHA-256 {digest} ({sha256} on record)"
    if sha256 is None:
        _keep(first, own, digest)
    return None


def _keep(record: Path, size: int, digest: str) -> None:
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_text(record, json.dumps({"url": None, "bytes": size, "sha256": digest}, indent=1))
    except (OSError, UserError):
        pass  # a folder that cannot be written to keeps nothing


def check_one_robot(paths: Sequence[Path]) -> None:
    """Check that files which are joined are of one robot, by their names and what was observed.

    HalfCheetah and Walker2d have as many numbers, so their shapes fit. What was observed counts
    where the names do not say it: two of AntMaze's files may begin in different corners.

    Raises:
        UserError: they are of two.
    """
    for one, other in pairwise(paths):
        robots = [match[0].lower() for path in (one, other) if (match := _ROBOT.search(path.name))]
        if len(set(robots)) > 1:
            raise UserError(
                f"{one} is of {robots[0]} and {other} of {robots[1]}. Only files of "
                "one robot can be joined."
            )
        if len(robots) == 2:
            continue
        (low, high), (least, most) = map(_range, (one, other))
        apart = np.flatnonzero((low > most) | (least > high))
        if len(apart):
            k = int(apart[0])
            raise UserError(
                f"Number {k} of an observation lies between {low[k]:.3g} and "
                f"{high[k]:.3g} in {one}, and between {least[k]:.3g} and {most[k]:.3g} in {other}. "
                "They are not of one robot, and only such files can be joined."
            )


def _range(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with open_columns(path) as columns:
        column = columns["observations"]
        values = column.read(0, min(_SAMPLE, column.rows))
        return values.min(0), values.max(0)
