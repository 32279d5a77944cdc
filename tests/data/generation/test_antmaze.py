import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest
from gymnasium_robotics.envs.maze.ant_maze_v4 import AntMazeEnv

from ivr.data.generation import antmaze
from ivr.data.generation.antmaze import draw, generate, limit_of, maze_of
from ivr.data.generation.antmaze_walks import AntEpisode, Trip, model_of, walk_all, way_point
from ivr.data.sources.stand_ins import ANTMAZES
from ivr.errors import UserError
from ivr.files import private_temporary_folder
from ivr.mazes import Maze
from tests.data.loading import load_dataset

SHARED = Path(
    os.environ.get("IVR_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data")
)
PUBLISHED = {
    "actions": ((8,), "float32"),
    "infos/success": ((), "bool"),
    "observations/achieved_goal": ((2,), "float64"),
    "observations/desired_goal": ((2,), "float64"),
    "observations/observation": ((27,), "float64"),
    "rewards": ((), "float64"),
    "terminations": ((), "bool"),
    "truncations": ((), "bool"),
}
STEPS = 1500


def _schema(folder: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape but for the first axis, and type, of all that every episode holds."""
    found = {}
    with h5py.File(folder / "data" / "main_data.hdf5") as file:
        for episode in file.values():
            episode.visititems(
                lambda name, item: (
                    found.setdefault(name, set()).add((item.shape[1:], item.dtype.name))
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    assert all(len(kinds) == 1 for kinds in found.values())
    return {name: kinds.pop() for name, kinds in found.items()}


def _metadata(folder: Path) -> dict:
    return json.loads((folder / "data" / "metadata.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    generate("antmaze-medium-play", folder, transitions=STEPS, processes=1)
    return folder


def test_the_schema_is_the_published_one(made):
    assert _schema(made) == PUBLISHED
    metadata = _metadata(made)
    assert metadata["total_steps"] == STEPS and metadata["data_format"] == "hdf5"
    assert metadata["dataset_id"] == "ivr/antmaze-medium-play-v0"
    assert "not D4RL" in metadata["description"]
    spec = json.loads(metadata["env_spec"])
    assert spec["id"] == "AntMaze_Medium-v4" and spec["max_episode_steps"] == 1000
    layout = [list(row) for row in Maze.named("medium", 4.0).layout]
    assert spec["kwargs"] == {
        "maze_map": layout,
        "reward_type": "sparse",
        "continuing_task": True,
        "reset_target": False,
    }


@pytest.mark.slow
def test_the_schema_is_that_of_recorded_data(made):
    recorded = SHARED / "antmaze-medium"
    if not recorded.exists():
        pytest.skip(f"no antmaze-medium in {SHARED}: set IVR_SHARED_DATA to a folder with it")
    assert _schema(recorded) == PUBLISHED
    ours, theirs = _metadata(made), _metadata(recorded)
    for key in ("observation_space", "action_space", "env_spec"):
        assert json.loads(ours[key]) == json.loads(theirs[key])


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(made, tmp_path):
    for name, seed, processes in (("same", 0, 2), ("other", 1, 1)):
        (tmp_path / name).mkdir()
        generate(
            "antmaze-medium-play",
            tmp_path / name,
            transitions=STEPS,
            seed=seed,
            processes=processes,
        )

    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / "data").iterdir()}

    assert content(made) == content(tmp_path / "same") != content(tmp_path / "other")


def test_episodes_have_an_observation_more_than_actions_and_end_where_they_should(made):
    dataset = minari.MinariDataset(made / "data")
    episodes = list(dataset.iterate_episodes())
    assert sum(len(episode.actions) for episode in episodes) == STEPS
    starts = {episode.observations["achieved_goal"][0].tobytes() for episode in episodes}
    assert len(starts) == len(episodes) > 3
    for number, episode in enumerate(episodes):
        steps = len(episode.actions)
        positions = episode.observations["achieved_goal"]
        goals = episode.observations["desired_goal"]
        assert len(positions) == len(goals) == len(episode.infos["success"]) == steps + 1
        assert (goals == goals[0]).all()
        assert np.abs(episode.actions).max() <= 1
        assert np.flatnonzero(episode.truncations).tolist() == [steps - 1]
        assert not episode.terminations.any()
        # The environment's own reward and success: within 0.45.
        near = np.linalg.norm(positions - goals, axis=1) <= 0.45
        assert np.array_equal(episode.rewards, near[1:])
        assert np.array_equal(episode.infos["success"], near)
        # The last one is cut where the dataset is full.
        assert near[-1] or steps == 1000 or number == len(episodes) - 1
        assert not near[:-1].any()


def test_the_recorded_steps_are_the_environments(made):
    episode = next(minari.MinariDataset(made / "data").iterate_episodes())
    with private_temporary_folder():
        environment = AntMazeEnv(maze_map=[list(row) for row in Maze.named("medium", 4.0).layout])
    environment.reset(seed=0)
    positions = episode.observations["achieved_goal"]
    state = environment.ant_env.init_qpos.copy()
    state[:2] = positions[0]
    environment.ant_env.set_state(state, environment.ant_env.init_qvel)
    for t, action in enumerate(episode.actions[:25]):
        told = environment.step(action)[0]
        assert np.allclose(told["achieved_goal"], positions[t + 1], atol=1e-3)
        assert np.allclose(
            told["observation"], episode.observations["observation"][t + 1], atol=2e-2
        )
    environment.close()


def test_it_is_read_as_the_published_data_are(made, tmp_path):
    options = {"name": "x", "path": made, "maze_scale": 4.0, "cache": tmp_path, "progress": False}
    data = load_dataset(**options, maze="medium", reward="minus_one")
    assert (data.observation_dim, data.action_dim) == (29, 8)
    assert data.info.source.startswith("generated by ivr, not D4RL: ivr/antmaze-medium-play")
    assert data.info.maze_layout == Maze.named("medium", 4.0).layout
    first = next(minari.MinariDataset(made / "data").iterate_episodes())
    expected = np.concatenate([first.observations["achieved_goal"][0], [0.75, 1, 0, 0, 0]])
    assert np.allclose(data.observations[0][:7], expected.astype(np.float32))
    with pytest.raises(UserError, match="not the maze that the data were collected in"):
        load_dataset(**options, maze="large")


@pytest.mark.parametrize("name", ANTMAZES)
def test_starts_and_goals(name):
    maze, size = maze_of(name), name.split("-")[1]
    trips = [draw(name, maze, np.random.default_rng(k)) for k in range(400)]
    cells = [(maze.cell(trip.start), maze.cell(trip.goal)) for trip in trips]
    offsets = np.array([trip.goal - maze.centre(trip.goal_cell) for trip in trips])
    assert [goal for _, goal in cells] == [trip.goal_cell for trip in trips]
    assert np.abs(offsets).max() <= 1 and len({trip.start.tobytes() for trip in trips}) == 400
    to_goal = np.array([goal == maze.goal for _, goal in cells])
    free = set(maze.free_cells())
    assert limit_of(name) == (700 if size == "umaze" else 1000)
    if name == "antmaze-umaze":
        assert set(cells) == {(maze.start, maze.goal)}
        return
    assert all(start != goal for start, goal in cells)
    if size != "umaze":
        assert (maze.start, maze.goal) not in cells
        assert not offsets[to_goal].any() and offsets[~to_goal].any()
        assert 0.1 < to_goal.mean() < 0.4
    if name.endswith("diverse"):
        assert {start for start, _ in cells} == {goal for _, goal in cells} == free
    else:
        starts, goals = {start for start, _ in cells}, {goal for _, goal in cells}
        assert len(starts) == 4 and len(goals) == 5 and starts | goals <= free
        assert maze.start in starts and maze.goal in goals
        # The parts of the way that no episode walks as a whole.
        parts = [set(maze.shortest_path(*pair)) for pair in set(cells)]
        way = maze.shortest_path(maze.start, maze.goal)
        for here, there in pairwise(way):
            assert any({here, there} <= part for part in parts)


@pytest.mark.parametrize(("name", "kept"), [("antmaze-medium-diverse", 1), ("antmaze-umaze", 2)])
def test_an_episode_from_start_to_goal_is_left_out_of_all_but_the_u_maze(monkeypatch, name, kept):
    maze = maze_of(name)
    way = np.stack([maze.centre(cell) for cell in maze.shortest_path(maze.start, maze.goal)])
    walks = [AntEpisode(np.pad(path, ((0, 0), (0, 27))), None, None) for path in (way, way[::-1])]
    monkeypatch.setattr(antmaze, "walk_all", lambda *_, **__: walks)
    assert len(antmaze._walks(name, 0, 2, "gymnasium", 0)) == kept


def test_an_episode_ends_at_its_goal_or_at_the_limit():
    maze = Maze.named("umaze", 4.0)
    here, there = maze.centre((1, 1)), maze.centre((3, 1))
    rngs = [np.random.default_rng(k) for k in range(2)]
    trips = [Trip(here + np.array([0.5, 0]), here, (1, 1)), Trip(here, there, (3, 1))]
    near, far = walk_all(maze, trips, 60, rngs)
    assert far.actions.shape == (60, 8) and far.states.shape == (61, 29)
    assert 0 < len(near.actions) < 60 and len(near.states) == len(near.actions) + 1
    # Noise of 0.2 on the actions, from each episode's own generator.
    alone = walk_all(maze, trips[1:], 60, [np.random.default_rng(1)])[0]
    quiet = walk_all(maze, trips[1:], 60, [np.random.default_rng(1)], noise=0.0)[0]
    assert np.allclose(alone.states[:5], far.states[:5], atol=1e-3)
    first = np.random.default_rng(1).standard_normal(8)
    free = np.abs(alone.actions[0]) < 1
    assert np.allclose((alone.actions - quiet.actions)[0][free], 0.2 * first[free], atol=1e-5)


def test_the_planner_leads_from_cell_to_cell_and_out_of_walls():
    maze = Maze.named("umaze", 4.0)
    trip = Trip(maze.centre((1, 1)), maze.centre((3, 1)) + 0.7, (3, 1))
    plan = maze.next_cells((3, 1))
    at = maze.centre((1, 1))
    for cell in ((1, 2), (1, 3), (2, 3), (3, 3), (3, 2)):
        assert np.array_equal(way_point(maze, trip, plan, at), maze.centre(cell))
        at = maze.centre(cell) + 1.9
    assert np.array_equal(way_point(maze, trip, plan, at), maze.centre((3, 1)))
    assert way_point(maze, trip, plan, maze.centre((3, 1)) - 1.9) is trip.goal
    inside = maze.centre((2, 2)) + np.array([0.0, 1.95])
    assert np.array_equal(way_point(maze, trip, plan, inside), maze.centre((1, 2)))


def test_no_model_is_left_in_the_temporary_folder():
    model_of.cache_clear()
    before = set(Path(tempfile.gettempdir()).iterdir())
    model_of(Maze.named("umaze", 4.0))
    assert set(Path(tempfile.gettempdir()).iterdir()) == before
