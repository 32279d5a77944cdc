"""Mapped data stay on disk: what is this process's own does not grow with them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ivr.data.cache.store import read_store, write_info
from ivr.data.dataset import DatasetInfo, OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.evaluation.pictures import value_map
from ivr.mazes import Maze

N = 40_000_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's /proc"
)


@pytest.fixture
def mapped(tmp_path) -> OfflineDataset:
    """N transitions of a single episode; files with holes, which take no room on disk."""
    shapes = {
        "observations": ((N + 1, 2), np.float32), "actions": ((N, 1), np.float32),
        "rewards": ((N,), np.float32), "terminated": ((N,), np.bool_),
        "truncated": ((N,), np.bool_), "rows": ((N,), np.int64),
        "episode_returns": ((1,), np.float64),
    }  # fmt: skip
    for name, (shape, dtype) in shapes.items():
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", dtype, shape)
    write_info(tmp_path, {})
    info = DatasetInfo("made", "made", "0", N, 1, (-1.0,), (1.0,), None, None)
    return OfflineDataset(**read_store(tmp_path)[0], info=info)


def _own_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+)", status)[0]) * 1024


def test_drawing_batches_keeps_nothing_for_each_transition(mapped):
    before = _own_bytes()
    module = TransitionDataModule(
        mapped.to("cpu"), seeds=[0], batch_size=256, num_updates=1000, chunk=50
    )
    module.batches(0, 50)
    assert module.num_selected == N
    # A single byte a transition would be 40 MB.
    assert _own_bytes() - before < N / 2


def test_a_value_map_looks_at_a_part_of_them(mapped):
    class Flat:
        def state_value(self, observations):
            return torch.zeros(observations.shape[:2])

    torch.zeros(N // 4).sum()  # the allocator's own
    before = _own_bytes()
    peak = []

    class Watched(Flat):
        def state_value(self, observations):
            peak.append(_own_bytes())
            return super().state_value(observations)

    values = value_map(Watched(), 0, 1, mapped.observations, Maze.named("umaze", 1.0))
    # All of them are at (0, 0), where V is 0; nowhere else is anything known.
    assert values is not None and values[np.isfinite(values)].tolist() == [0.0]
    # Two coordinates of all, in double precision, would be 16 bytes a transition.
    assert peak[0] - before < 4 * N
