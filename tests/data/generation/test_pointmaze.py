import json
import tempfile
from pathlib import Path

import minari
import numpy as np
import pytest
import torch

from ivr.data.generation import pointmaze
from ivr.data.generation.generated import ensure_generated
from ivr.data.generation.pointmaze import generate
from ivr.mazes import Maze
from tests.data.loading import load_dataset


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    generate("medium", folder, transitions=12_000)
    return folder


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        generate("medium", tmp_path / name, transitions=12_000, seed=seed)

    def content(folder: Path) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (folder / "data").iterdir()}

    assert content(made) == content(tmp_path / "same") != content(tmp_path / "other")
    assert sorted(content(made)) == ["main_data.hdf5", "metadata.json"]


def test_minari_reads_it(made):
    dataset = minari.MinariDataset(made / "data")
    assert dataset.total_steps >= 12_000 and dataset.id == "ivr/pointmaze-medium-v0"
    assert "not D4RL" in json.loads((made / "data" / "metadata.json").read_text())["description"]
    for episode in dataset.iterate_episodes(range(20)):
        steps = len(episode.actions)
        assert {key: value.shape for key, value in episode.observations.items()} == {
            "observation": (steps + 1, 4),
            "achieved_goal": (steps + 1, 2),
            "desired_goal": (steps + 1, 2),
        }
        assert episode.actions.dtype == np.float32 and np.abs(episode.actions).max() <= 1
        assert episode.truncations[-1] and not episode.terminations.any()
        assert dataset.observation_space.contains(
            {key: value[0] for key, value in episode.observations.items()}
        )
    environment = dataset.recover_environment(eval_env=True)
    environment.unwrapped.position_noise_range = 0
    state, _ = environment.reset(seed=0)
    maze = Maze.named("medium", 1.0)
    assert np.allclose(state["achieved_goal"], maze.centre(maze.start))
    assert np.allclose(state["desired_goal"], maze.centre(maze.goal))
    Path(environment.unwrapped.tmp_xml_file_path).unlink()
    environment.close()


def test_the_recorded_steps_are_the_environments(made):
    dataset = minari.MinariDataset(made / "data")
    maze = Maze.named("medium", 1.0)
    environment = pointmaze._environment(maze)
    point = environment.point_env
    for episode in dataset.iterate_episodes(range(5)):
        states = episode.observations["observation"]
        for t in range(0, len(episode.actions), 7):
            point.set_state(states[t, :2], states[t, 2:])
            assert np.allclose(point.step(episode.actions[t])[0], states[t + 1], atol=1e-3)
        goals = episode.observations["desired_goal"]
        reward = environment.compute_reward(states[1:, :2], goals[1:], {})
        assert np.array_equal(reward, episode.rewards)
    environment.close()


def test_no_trajectory_goes_from_start_to_goal_but_both_are_visited(made):
    maze = Maze.named("medium", 1.0)
    start, goal = maze.centre(maze.start), maze.centre(maze.goal)
    at_start = at_goal = 0
    # Consecutive episodes are one walk until the point is put elsewhere.
    joined = [np.zeros((0, 2))]
    for episode in minari.MinariDataset(made / "data").iterate_episodes():
        positions = episode.observations["achieved_goal"]
        last = joined[-1]
        if len(last) and np.array_equal(last[-1], positions[0]):
            joined[-1] = np.concatenate([last, positions])
        else:
            joined.append(positions)
        at_start += bool((np.linalg.norm(positions - start, axis=1) < 0.5).any())
        at_goal += bool((np.linalg.norm(positions - goal, axis=1) < 0.5).any())
    assert not any(maze.connects(positions) for positions in joined[1:])
    assert 20 < len(joined) < minari.MinariDataset(made / "data").total_episodes / 2
    assert at_start > 5 and at_goal > 5


def test_connects_knows_the_order():
    maze = Maze.named("umaze", 1.0)
    way = np.stack([maze.centre(cell) for cell in maze.shortest_path(maze.start, maze.goal)])
    assert maze.connects(way)
    assert not maze.connects(way[::-1])
    assert not maze.connects(way[1:]) and not maze.connects(way[:-1])


def test_the_mean_action_leads_nowhere(made):
    # Around the middle of a crossing, the actions of slow points cancel out.
    data = load_dataset(
        name="x", path=made, maze="medium", maze_scale=1.0, cache=made / "cache", progress=False
    )
    assert data.observation_dim == 4
    state = data.observations[data.rows]
    middle = torch.tensor(Maze.named("medium", 1.0).centre((3, 3))).float()
    near = ((state[:, :2] - middle).norm(dim=-1) < 0.3) & (state[:, 2:].norm(dim=-1) < 1)
    assert near.sum() > 20
    assert data.actions[near].mean(0).norm() < 0.5 * data.actions[near].norm(dim=-1).mean()


def test_ensure_makes_it_once_and_leaves_no_model_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setitem(pointmaze.TRANSITIONS, "umaze", 500)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    keys = {"name": "pointmaze-umaze", "source": "generated", "maze": "umaze", "maze_scale": 1.0}
    first = load_dataset(**keys, cache=tmp_path / "cache")
    assert "generated" in first.info.source and first.num_transitions > 100
    assert list((tmp_path / "tmp").iterdir()) == []
    monkeypatch.setattr(pointmaze, "generate", None)
    folder = ensure_generated("pointmaze-umaze", progress=False)
    assert folder == tmp_path / "minari" / "ivr" / "pointmaze-umaze-v0"
    assert list(minari.list_local_datasets()) == ["ivr/pointmaze-umaze-v0"]
    assert list((tmp_path / "minari" / "ivr").iterdir()) == [folder]
