"""Traps of published datasets that no other test covers."""

import json

import minari
import pytest

from ivr.mazes import Maze
from tests.data.loading import load_dataset
from tests.data.sources.minari.minari_making import encoded_episodes, maze_episode, write_minari


def test_recorded_reference_returns_are_not_believed(tmp_path):
    """They are missing (Minari issue 323) or stale (303): scores know those of conf/ or none."""
    stale = {"ref_min_score": 12345.0, "ref_max_score": 67890.0}
    path = write_minari(tmp_path / "made", encoded_episodes([3]), **stale)
    info = load_dataset(name="x", path=path, view="flat", cache=tmp_path).info
    assert "12345" not in repr(info) and "67890" not in repr(info)
    from tests.running import composed

    assert composed(("dataset=minari",)).dataset.reference is None


def test_a_recorded_evaluation_environment_is_never_made(tmp_path, monkeypatch):
    """Minari's own fails on wrappers (issue 302), and mirrors the umaze (304)."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the recorded environment was made")

    monkeypatch.setattr(minari.MinariDataset, "recover_environment", refuse)
    maze = Maze.named("umaze", 4.0)
    mirrored = [row[::-1] for row in maze.layout]
    path = write_minari(
        tmp_path / "made",
        [maze_episode([[0, 0], maze.centre(maze.goal)])],
        maze_map=maze.layout,
        eval_env_spec=json.dumps({"id": "Maze-v0", "kwargs": {"maze_map": mirrored}}),
    )
    data = load_dataset(
        name="x", path=path, maze="umaze", maze_scale=4.0, cache=tmp_path, progress=False
    )
    assert data.info.maze_layout == maze.layout and data.terminated.tolist() == [True]
    assert data.info.goal == pytest.approx(tuple(maze.centre(maze.goal)))
