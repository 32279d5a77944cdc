"""The AntMaze protocol on real recordings, where a folder with them is at hand."""

import os
from pathlib import Path

import pytest
import torch

from ivr.data.load import load_dataset
from tests.running import composed

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("IVR_SHARED_DATA", ROOT.parent / "shared" / "data"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SHARED / "antmaze-umaze").exists(),
        reason=f"no AntMaze recordings in {SHARED}: set IVR_SHARED_DATA to a folder with them",
    ),
]


@pytest.mark.parametrize(
    ("dataset", "folder", "recorded", "episodes", "successes"),
    [
        ("antmaze-umaze", "antmaze-umaze", 200_619, 686, 236),
        ("antmaze-medium-play", "antmaze-medium", 500_195, 1_870, 366),
    ],
)
def test_rewards_and_ends_are_relabelled(dataset, folder, recorded, episodes, successes):
    """The counts of episodes that pass the evaluation goal are the data's own description."""
    config = composed((f"dataset={dataset}",)).dataset
    data = load_dataset(**{**config, "path": SHARED / folder}, progress=False)
    assert data.observation_dim == 29 and data.action_dim == 8
    assert int(data.terminated.sum()) == successes
    assert data.info.episodes <= episodes
    assert recorded * 0.95 < data.num_transitions < recorded
    assert int((data.terminated | data.truncated).sum()) == data.info.episodes
    assert torch.equal(data.rewards, data.terminated.float() - 1)
    batch = data.gather(torch.arange(data.num_transitions))
    moved = (batch.next_observations - batch.observations)[:, :2].norm(dim=1)
    assert moved.max() < 1.0, "a transition crosses from one episode into another"
