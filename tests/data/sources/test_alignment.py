"""Alignment cannot slip: the next observation of (k, t) is (k, t + 1), whatever the file.

In D4RL's format, and in files of one's own.
"""

import tempfile
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.data.sources import columns as columns_module
from tests.data.sources.alignment_making import LIMIT, NUMBERS, check, kept_of, load, rewards_of
from tests.data.sources.arrays.arrays_making import KINDS, encoded_arrays, write_arrays
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl

FLAGS = ("?", "u1", "f4", ">i4")

_lengths = st.integers(1, LIMIT)
_marked = st.builds(Made, _lengths, st.sampled_from(["terminal", "timeout", "both"]))
_cut = st.builds(Made, _lengths, st.just("cut"))


@st.composite
def _file(draw):
    """Episodes of one file; only the last may be cut."""
    episodes = draw(st.lists(_marked, max_size=6))
    return episodes + draw(st.lists(_cut, max_size=1))


def _pieces(total: int, cuts: set[int]) -> list[tuple[int, int]]:
    """First and last of the parts of a sequence that is cut there."""
    return list(pairwise([0, *sorted(cut for cut in cuts if cut < total), total]))


@settings(max_examples=100, deadline=None)
@given(
    episodes=_file().filter(bool),
    has_next=st.booleans(),
    has_timeouts=st.booleans(),
    files=st.sets(st.integers(1, 6), max_size=2),
    block=st.integers(1, 20),
    compression=st.sampled_from([None, "gzip", "lzf"]),
    flags=st.sampled_from(FLAGS),
    numbers=st.sampled_from(NUMBERS),
)
def test_d4rl_hdf5(episodes, has_next, has_timeouts, files, block, compression, flags, numbers):
    if not has_next and not has_timeouts:  # only the limit tells where a time-out was
        episodes = [e._replace(steps=LIMIT) if e.end == "timeout" else e for e in episodes]
    columns = encoded_columns(episodes)
    columns["rewards"] = rewards_of(columns["observations"])
    for name in ("observations", "next_observations", "rewards"):
        columns[name] = columns[name].astype(numbers)
    for name in ("terminals", "timeouts"):
        columns[name] = columns[name].astype(flags)
    columns["next_observations"] = columns["next_observations"] if has_next else None
    columns["timeouts"] = columns["timeouts"] if has_timeouts else None
    starts = np.cumsum([0] + [episode.steps for episode in episodes])
    with tempfile.TemporaryDirectory() as name, patch.object(columns_module, "_BLOCK", block):
        folder, paths = Path(name), []
        for first, end in _pieces(len(episodes), files):
            rows = slice(starts[first], starts[end])
            part = {name: None if v is None else v[rows] for name, v in columns.items()}
            path = write_d4rl(folder / f"{first}.hdf5", part, compression=compression)
            paths.append(str(path))
        keys = {"source": "d4rl_hdf5", "path": paths, "max_episode_steps": LIMIT}
        kept = kept_of(episodes, has_next=has_next)
        check(lambda: load(folder, **keys), kept, 1 / 1000, has_next)


@settings(max_examples=120, deadline=None)
@given(
    episodes=_file().filter(bool),
    marks=st.sampled_from(
        [("terminated", "truncated"), ("terminated",), ("truncated",), ("episode",),
         ("terminated", "episode"), ("terminated", "truncated", "episode")]
    ),
    has_next=st.booleans(),
    kind=st.sampled_from(KINDS),
    files=st.sets(st.integers(1, 6), max_size=2),
    numbers=st.sampled_from(NUMBERS),
    flags=st.sampled_from(FLAGS),
    names=st.booleans(),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*without terminated", "ignore:.*nothing marks an end by time")
def test_npz_parquet_csv(episodes, marks, has_next, kind, files, numbers, flags, names):
    if marks == ("terminated",) and not has_next:  # then nothing else can end an episode
        episodes = [e._replace(end="terminal") for e in episodes[:-1]] + episodes[-1:]
        last = episodes[-1]
        episodes[-1] = last._replace(end="cut") if last.end == "timeout" else last
    arrays = encoded_arrays(episodes)
    if "terminated" not in marks:  # an end is an end
        arrays["truncated"] |= arrays["terminated"]
    arrays["rewards"] = rewards_of(arrays["observations"])
    for name in ("observations", "actions", "rewards", "next_observations"):
        arrays[name] = arrays[name].astype(numbers)
    for name in ("terminated", "truncated"):
        arrays[name] = arrays[name].astype(flags) if name in marks else None
    ids = np.char.add("run ", arrays["episode"].astype(str)) if names else arrays["episode"]
    arrays["episode"] = ids if "episode" in marks else None
    arrays["next_observations"] = arrays["next_observations"] if has_next else None
    starts = np.cumsum([0] + [episode.steps for episode in episodes])
    with tempfile.TemporaryDirectory() as name:
        folder, paths = Path(name), []
        for first, end in _pieces(len(episodes), files):
            rows = slice(starts[first], starts[end])
            part = {name: None if v is None else v[rows] for name, v in arrays.items()}
            paths.append(str(write_arrays(folder / f"part{first}", part, kind)))
        keys = {"source": "arrays", "path": paths, "action_low": [0, 0], "action_high": 50}
        kept = kept_of(episodes, has_next=has_next, has_terminals="terminated" in marks)
        check(lambda: load(folder, **keys), kept, 1, has_next)
