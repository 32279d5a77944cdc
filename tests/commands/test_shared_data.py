"""Real recordings, where a folder with them is at hand: the AntMaze protocol, D4RL's format."""

import os
from pathlib import Path

import h5py
import pytest
import torch
from omegaconf import OmegaConf

from ivr.certificate import certify
from ivr.config.dataset import parse_dataset
from ivr.evaluation.task.build import make_task
from ivr.types import DataFacts
from tests.data.loading import load_node
from tests.running import composed

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("IVR_SHARED_DATA", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.slow


def _recorded(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"no {name} in {SHARED}: set IVR_SHARED_DATA to a folder with it")
    return SHARED / name


@pytest.mark.parametrize(
    ("file", "transitions", "episodes", "mean_return"),
    [
        ("hopper-medium", 200_000, 458, 1594),
        ("hopper-expert", 200_000, 221, 3312),
        ("hopper-random", 100_000, 4_437, 18),
    ],
)
def test_a_d4rl_file_is_read_row_by_row(file, transitions, episodes, mean_return):
    """The counts and the mean return are the data's own description; the rows are h5py's."""
    config = composed(("dataset=hopper-medium", "dataset.as_is=true")).dataset
    path = _recorded(f"{file}.hdf5")
    data = load_node(config, path=str(path))
    assert (data.num_transitions, data.info.episodes) == (transitions, episodes)
    assert round(float(data.episode_returns.mean())) == mean_return
    batch = data.gather(torch.arange(transitions))
    with h5py.File(path) as recorded:
        columns = {name: torch.from_numpy(recorded[name][()]) for name in recorded}
    assert torch.equal(batch.observations, columns["observations"])
    assert torch.equal(batch.next_observations, columns["next_observations"])
    assert torch.equal(data.terminated, columns["terminals"])
    assert torch.equal(data.truncated, columns["timeouts"] & ~columns["terminals"])
    assert (data.actions - columns["actions"]).abs().max() < 1.1e-5
    spread = data.episode_returns.max() - data.episode_returns.min()
    assert torch.allclose(data.rewards.double(), columns["rewards"].double() * 1000 / spread)


@pytest.mark.parametrize(
    ("file", "words", "widths"),
    [
        ("hopper-medium.hdf5", ("dataset=hopper-medium",), (11, 3)),
        ("hopper-expert.hdf5", ("dataset=hopper-medium", "dataset.env=Hopper-v5"), (11, 3)),
        ("hopper-random.hdf5", ("dataset=hopper-medium",), (11, 3)),
        ("antmaze-umaze", ("dataset=antmaze-umaze",), (29, 8)),  # rounded to 12 bits
        ("antmaze-medium", ("dataset=antmaze-medium-play",), (29, 8)),
    ],
)
def test_it_is_repeated_by_the_environment_of_its_scores(file, words, widths):
    words = (*words, "dataset.as_is=true", f"dataset.path={_recorded(file)}")
    data, spec = parse_dataset(OmegaConf.to_container(composed(words).dataset, resolve=True))
    observations, actions = widths
    task = make_task(spec, DataFacts(observations, [-1.0] * actions, [1.0] * actions), None)
    assert task is not None
    found = certify(data, task)
    assert found.status == "exact", found.in_words


def test_two_d4rl_files_are_one_set():
    config = composed(("dataset=hopper-medium-expert", "dataset.as_is=true")).dataset
    paths = [str(_recorded(f"hopper-{quality}.hdf5")) for quality in ("medium", "expert")]
    data = load_node(config, path=paths)
    assert (data.num_transitions, data.info.episodes) == (400_000, 458 + 221)


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
    data = load_node(config, path=str(_recorded(folder)))
    assert data.observation_dim == 29 and data.action_dim == 8
    assert int(data.terminated.sum()) == successes
    assert data.info.episodes <= episodes
    assert recorded * 0.95 < data.num_transitions < recorded
    assert int((data.terminated | data.truncated).sum()) == data.info.episodes
    assert torch.equal(data.rewards, data.terminated.float() - 1)
    batch = data.gather(torch.arange(data.num_transitions))
    moved = (batch.next_observations - batch.observations)[:, :2].norm(dim=1)
    assert moved.max() < 1.0, "a transition crosses from one episode into another"
