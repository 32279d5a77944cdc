"""Reads an episode of a Minari dataset out of its Arrow or Parquet file.

Minari's own reader drops what follows the first record batch of an episode (its issue 351: 32,767
rows). Its writer pads all but the observations by a row at the end.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.data.sources.limits import check_claim, check_regular
from ivr.data.sources.minari.metadata import PER_STEP, Metadata
from ivr.data.sources.source import Episode


def read_arrow(data: Path, metadata: Metadata, number: int) -> Episode:
    """Read the episode of a number out of its folder below `data`."""
    import pyarrow.dataset as ds

    folder = data / str(number)
    for path in folder.rglob("*"):
        check_regular(path)
    stored = ds.dataset(
        folder,
        format=metadata.data_format,
        ignore_prefixes=["_", ".", "metadata.json"],
    )
    if len(stored.files) != 1:
        raise ValueError(f"its rows lie in {len(stored.files)} files, not in one")
    names = ["observations", *PER_STEP]
    width = sum(_row_bytes(stored.schema.field(name).type) for name in names)
    check_claim(Path(stored.files[0]), stored.count_rows() * width)
    table = stored.to_table(names).combine_chunks()
    rows = {name: table[name].combine_chunks() for name in names}
    observations = rows.pop("observations")
    return Episode(
        {key: _vectors(observations.field(key)) for key in metadata.boxes}
        if metadata.is_dict
        else {"observation": _vectors(observations)},
        _vectors(rows["actions"])[:-1],
        *(np.asarray(rows[name])[:-1] for name in PER_STEP[1:]),
    )


def _row_bytes(kind: Any) -> int:
    """Count the bytes that a row of an Arrow type takes; 0 where its length may vary."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return sum(_row_bytes(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size * _row_bytes(kind.value_type))
    return max(1, kind.bit_width // 8) if pa.types.is_primitive(kind) else 0


def _vectors(lists: Any) -> NDArray[Any]:
    """Join the lists of an Arrow array, which are equally long: (rows, n)."""
    return np.asarray(lists.flatten()).reshape(len(lists), lists.type.list_size)
