import warnings
from pathlib import Path

import minari
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict
from minari.data_collector.episode_buffer import EpisodeBuffer

from ivr.data.dataset import OfflineDataset
from ivr.data.sources.minari.source import MinariSource
from ivr.errors import UserError
from ivr.mazes import Maze
from tests.data.loading import load_dataset
from tests.data.sources.minari.minari_making import encoded_episodes, maze_episode, write_minari


def _assert_aligned(data: OfflineDataset, lengths: list[int]) -> None:
    expected = [(k, t) for k, n in enumerate(lengths) for t in range(n)]
    batch = data.gather(torch.arange(data.num_transitions))
    assert batch.observations.tolist() == [[k, t] for k, t in expected]
    assert batch.next_observations.tolist() == [[k, t + 1] for k, t in expected]
    assert torch.allclose(batch.actions * 1000, batch.observations, atol=1e-4)
    assert batch.rewards.tolist() == [100 * k + t for k, t in expected]
    ends = [t == lengths[k] - 1 for k, t in expected]
    assert data.truncated.tolist() == ends and not data.terminated.any()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Minari asks for an author and so on
@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
def test_goals_that_are_dictionaries_are_left_out(tmp_path, monkeypatch, data_format):
    """The published layout of Kitchen: `observation` beside goals that are dictionaries."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    goals = Dict({name: Box(-9, 9, (n,), np.float64) for name, n in (("kettle", 7), ("door", 1))})
    episodes = encoded_episodes([3, 2])
    for episode in episodes:
        rows = len(episode["observations"])
        goal = {"kettle": np.ones((rows, 7)), "door": np.zeros((rows, 1))}
        own = {"observation": episode["observations"], "achieved_goal": goal, "desired_goal": goal}
        episode["observations"] = own
    minari.create_dataset_from_buffers(
        "test/kitchen-v0",
        [EpisodeBuffer(id=k, **episode) for k, episode in enumerate(episodes)],
        observation_space=Dict(
            {
                "observation": Box(-np.inf, np.inf, (2,), np.float64),
                "achieved_goal": goals,
                "desired_goal": goals,
            }
        ),
        action_space=Box(-1, 1, (2,), np.float64),
        data_format=data_format,
    )
    options = {"name": "x", "id": "test/kitchen-v0", "cache": tmp_path, "progress": False}
    _assert_aligned(load_dataset(view="observation", **options), [3, 2])
    with pytest.raises(UserError, match=r"vectors observation; use dataset\.view=observation\."):
        load_dataset(view="d4rl", **options)


def test_terminated_and_truncated_stay_apart(tmp_path):
    episodes = encoded_episodes([2, 2, 2, 2])
    for episode, (terminated, truncated) in zip(
        episodes, [(True, False), (False, True), (True, True), (False, False)], strict=True
    ):
        episode["terminations"][-1], episode["truncations"][-1] = terminated, truncated
    data = load_dataset(
        name="x",
        path=write_minari(tmp_path / "made", episodes),
        view="flat",
        cache=tmp_path,
        progress=False,
    )
    # An end is an end even when the limit fell on it; what merely stops was cut by time.
    assert data.terminated.tolist() == [False, True, False, False, False, True, False, False]
    assert data.truncated.tolist() == [False, False, False, True, False, False, False, True]
    assert data.gather(torch.tensor([1, 3])).terminated.tolist() == [1.0, 0.0]


def test_actions_are_scaled_by_the_bounds_and_kept_off_them(tmp_path):
    episodes = encoded_episodes([3])
    episodes[0]["actions"] = np.array([[0.0, 4.0], [2.0, 3.0], [9.0, 1.0]])
    path = write_minari(tmp_path / "made", episodes, bounds=(0.0, 4.0))
    for _ in range(2):  # said whenever the data are loaded, not only at their conversion
        with pytest.warns(
            UserWarning,
            match=r"1 of 3 actions lie outside .* action 0 in 1 \(0 to 9, bounds",
        ):
            data = load_dataset(name="x", path=path, view="flat", cache=tmp_path)
    edge = 1 - 1e-5
    expected = torch.tensor([[-edge, edge], [0, 0.5], [edge, -0.5]])
    assert torch.allclose(data.actions, expected, atol=1e-7, rtol=0)
    assert data.info.action_low == (0.0, 0.0) and data.info.action_high == (4.0, 4.0)


def test_bounds_in_which_actions_do_not_differ_are_refused(tmp_path):
    episodes = encoded_episodes([3])
    episodes[0]["actions"] = np.array([[0.0, 0.5], [-1.0, 0.5], [1.0, 0.5]])
    widest = float(np.finfo(np.float32).max)
    path = write_minari(tmp_path / "made", episodes, bounds=(-widest, widest))
    with pytest.raises(UserError, match=r"action 0 lies between -1 and 1, .*3\.4.*e\+38"):
        load_dataset(name="x", path=path, view="flat", cache=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []
    path = write_minari(tmp_path / "wide", episodes, bounds=(-1000.0, 1000.0))
    data = load_dataset(name="x", path=path, view="flat", cache=tmp_path / "c")
    assert data.actions[:, 0].tolist() == pytest.approx([0, -0.001, 0.001])


def _load_maze(path: Path, cache: Path, **keys: object) -> OfflineDataset:
    options = {"view": "d4rl", "reward": "minus_one", "maze": "umaze", "maze_scale": 4.0} | keys
    return load_dataset(name="x", path=path, cache=cache, **options)


def test_maze_protocol(tmp_path):
    maze = Maze.named("umaze", 4.0)
    x, y = maze.centre(maze.goal)
    reaches = maze_episode([[0, 0], [1, 0], [x + 0.4, y], [x, y], [0, 0]])
    misses = maze_episode([[0, 0], [x + 0.6, y]])
    path = write_minari(tmp_path / "made", [reaches, misses], maze_map=maze.layout)
    data = _load_maze(path, tmp_path)
    # x, y first, then the rest; what follows the success is gone.
    assert data.observations[1].tolist() == [1, 0, 1003, 1004, 1005]
    assert data.rewards.tolist() == [-1, 0, -1]
    assert data.terminated.tolist() == [False, True, False]
    assert data.truncated.tolist() == [False, False, True]
    assert data.info.goal == (x, y)
    assert (data.info.reward_scale, data.info.reward_shift) == (1.0, -1.0)
    next_positions = data.gather(torch.arange(3)).next_observations[:, :2]
    assert torch.allclose(
        next_positions, torch.tensor([[1, 0], [x + 0.4, y], [x + 0.6, y]]).float()
    )


def test_goal_conditioned_view_uses_each_own_goal(tmp_path):
    layout = Maze.named("umaze", 4.0).layout
    episodes = [
        maze_episode([[0, 0], [1, 0], [2, 0], [3, 0]], desired_goal=(2.0, 0.0)),
        maze_episode([[0, 0], [1, 0], [2, 0]], desired_goal=(9.0, 9.0)),
    ]
    path = write_minari(tmp_path / "made", episodes, maze_map=layout)
    data = _load_maze(path, tmp_path, view="goal_conditioned", reward="none")
    assert data.observations[0].tolist() == [0, 0, 1000, 1001, 1002, 2, 0]
    assert data.rewards.tolist() == [0, 1, 0, 0]
    assert data.terminated.tolist() == [False, True, False, False]


def test_goal_conditioned_data_of_no_maze_keep_their_rewards_and_ends(tmp_path):
    # As Fetch records them: 0.3 m from the goal is no success.
    episode = maze_episode([[0, 0], [1, 0], [1.7, 0], [1.98, 0]], desired_goal=(2.0, 0.0))
    episode["rewards"] = np.array([-1.0, -1.0, 0.0])
    path = write_minari(tmp_path / "made", [episode])
    data = load_dataset(name="x", path=path, view="goal_conditioned", cache=tmp_path)
    assert data.rewards.tolist() == [-1, -1, 0]
    assert data.terminated.tolist() == [False] * 3
    assert data.truncated.tolist() == [False, False, True]


def test_a_maze_with_other_walls_is_refused(tmp_path):
    mirrored = [row[::-1] for row in Maze.named("umaze", 4.0).layout]
    path = write_minari(tmp_path / "made", [maze_episode([[0, 0], [1, 0]])], maze_map=mirrored)
    with pytest.raises(UserError, match=r"dataset\.maze=umaze"):
        _load_maze(path, tmp_path)
    assert _load_maze(path, tmp_path, maze=None, maze_scale=None).rewards.tolist() == [6.0]


def test_a_marked_cell_is_a_free_cell(tmp_path):
    marked = [list(row) for row in Maze.named("umaze", 4.0).layout]
    marked[1][1], marked[3][1] = "r", "g"
    path = write_minari(tmp_path / "made", [maze_episode([[0, 0], [1, 0]])], maze_map=marked)
    assert _load_maze(path, tmp_path).num_transitions == 1


def test_the_goal_that_the_data_mark_is_the_one_that_pays(tmp_path):
    """Minari's umaze walks from (3, 1) to (1, 1); one mark alone decides nothing."""
    maze = Maze.named("umaze", 4.0)
    start, goal = maze.centre((3, 1)), maze.centre((1, 1))
    walk = maze_episode([start, [0, 0], goal, goal])
    for marks, rewards, at in (("rg", [-1, 0], goal), ("r", [-1, -1, -1], start)):
        cells = [list(row) for row in maze.layout]
        for mark, (row, column) in zip(marks, ((3, 1), (1, 1)), strict=False):
            cells[row][column] = mark
        path = write_minari(tmp_path / marks, [walk], maze_map=cells)
        data = _load_maze(path, tmp_path / "cache")
        assert data.rewards.tolist() == rewards and data.info.goal == tuple(at)
        assert bool(data.terminated[-1]) == (marks == "rg")


def test_second_load_reads_the_cache_only(tmp_path, monkeypatch):
    path = write_minari(tmp_path / "made", encoded_episodes([4, 2]))
    options = {"name": "x", "path": path, "view": "flat", "cache": tmp_path, "progress": False}
    first = load_dataset(**options)

    def refuse(self: MinariSource, report: object) -> None:
        raise AssertionError("the source was read")

    monkeypatch.setattr(MinariSource, "episodes", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of memory that it may not write to
        second = load_dataset(**options)
    for column in ("observations", "actions", "rewards", "terminated", "truncated", "rows"):
        assert torch.equal(getattr(first, column), getattr(second, column))
    assert first.info == second.info
    with pytest.raises(AssertionError, match="was read"):
        load_dataset(**options, reward="minus_one")


def test_a_changed_source_is_converted_anew(tmp_path):
    options = {"name": "x", "view": "flat", "cache": tmp_path / "cache", "progress": False}
    path = write_minari(tmp_path / "made", encoded_episodes([4, 2]))
    before = load_dataset(path=path, **options)
    path.rename(tmp_path / "old")
    episodes = encoded_episodes([4, 2])
    episodes[1]["observations"][2, 1] = 77
    after = load_dataset(path=write_minari(path, episodes), **options)
    assert before.observations[-1].tolist() == [1, 2] and after.observations[-1].tolist() == [1, 77]
    assert before.info.fingerprint != after.info.fingerprint
    # The fingerprint is of the content, not of where and when.
    again = load_dataset(path=tmp_path / "old", **(options | {"cache": tmp_path / "other"}))
    assert again.info.fingerprint == before.info.fingerprint


def test_device_moves_the_tensors_and_keeps_the_facts(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([4, 2]))
    data = load_dataset(name="x", path=path, view="flat", cache=tmp_path)
    moved = data.to("meta")
    assert moved.observations.is_meta and moved.rows.is_meta and moved.info == data.info
    assert data.to("cpu").observations.data_ptr() == data.observations.data_ptr()
    assert (data.num_transitions, data.observation_dim, data.action_dim) == (6, 2, 2)
    assert data.gather(torch.zeros(5, 3, 2, dtype=torch.int64)).actions.shape == (5, 3, 2, 2)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"view": "d4rl"}, "dataset.view=d4rl does not fit.*dataset.view=flat"),
        (
            {"view": "round"},
            "view=round: there is d4rl, goal_conditioned, observation, flat",
        ),
        (
            {"reward": "double"},
            "reward=double: there is none, minus_one, return_range, scale_shift",
        ),
        ({"source": "web"}, "dataset.source=web: there is minari, d4rl, d4rl_hdf5, generated"),
        ({"reward_scale": 2.0}, "reward_scale=2.0 and .*dataset.reward=none: set .*=scale_shift"),
        ({"reward": "return_range"}, "all 1 episodes have a return of 1"),
        ({"path": ["a", "b"]}, "dataset.source=minari takes one folder"),
        ({"view": "observation", "maze": "umaze", "maze_scale": 4.0}, "leaves out the positions"),
        ({"maze": "huge"}, "dataset.maze=huge: there is umaze, medium, large"),
        ({"maze": "umaze"}, "dataset.maze_scale=None"),
        ({"source": "generated", "path": None}, "dataset.name=x is not made here"),
    ],
)
def test_wrong_values_are_named(tmp_path, keys, says):
    path = write_minari(tmp_path / "made", encoded_episodes([2]))
    options = {"name": "x", "path": path, "view": "flat", "cache": tmp_path, "progress": False}
    with pytest.raises(UserError, match=says):
        load_dataset(**(options | keys))


def test_a_flat_view_of_a_dict_names_the_views_that_fit(tmp_path):
    path = write_minari(tmp_path / "made", [maze_episode([[0, 0], [1, 0]])])
    with pytest.raises(UserError, match=r"use dataset\.view=d4rl or goal_conditioned or obs"):
        load_dataset(name="x", path=path, view="flat", cache=tmp_path)


def _named_entries(lengths: list[int], **more: int) -> list[dict]:
    """Episodes whose observations are the dictionary of k and t, and of `more` vectors of ones."""
    episodes = encoded_episodes(lengths)
    for episode in episodes:
        seen = episode["observations"]
        ones = {key: np.ones((len(seen), size)) for key, size in more.items()}
        episode["observations"] = {"time": seen[:, 1:], "number": seen[:, :1], **ones}
    return episodes


def test_entries_of_other_names_are_joined_as_the_view_says(tmp_path):
    path = write_minari(tmp_path / "made", _named_entries([3, 2]))
    options = {"name": "x", "path": path, "cache": tmp_path / "cache"}
    _assert_aligned(load_dataset(view=["number", "time"], **options), [3, 2])
    assert load_dataset(view=["time"], **options).observations[:4].tolist() == [[0], [1], [2], [3]]
    flat = load_dataset(view="flat", **options)
    assert flat.info.entries == flat.info.observation_names == ("time", "number")  # as recorded
    named = load_dataset(view=["time", "number"], **options)
    assert flat.info.fingerprint == named.info.fingerprint


def test_what_is_left_out_of_an_observation_is_told_each_time(tmp_path):
    path = write_minari(tmp_path / "made", _named_entries([3, 2], battery=1))
    for _ in range(2):
        with pytest.warns(UserWarning, match="not read: battery, time"):
            load_dataset(name="x", path=path, view=["number"], cache=tmp_path / "cache")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = ["battery", "number", "time"]
        load_dataset(name="x", path=path, view=view, cache=tmp_path / "cache")


def test_bounds_are_given_where_none_are_recorded(tmp_path):
    path = write_minari(tmp_path / "made", encoded_episodes([3]), bounds=(-np.inf, np.inf))
    options = {"name": "x", "path": path, "view": "flat", "cache": tmp_path / "cache"}
    with pytest.raises(UserError, match=r"-inf.*Give others: dataset\.action_low="):
        load_dataset(**options)
    with pytest.raises(UserError, match=r"dataset\.action_low=\[1\] has 1 numbers, .* have 2"):
        load_dataset(action_low=[1], action_high=2, **options)
    data = load_dataset(action_low=-2, action_high=[2, 4], **options)
    assert data.info.action_low == (-2, -2) and data.info.action_high == (2, 4)
    # Actions (k, t) / 1000 between -2 and 2, and between -2 and 4.
    assert torch.allclose(data.actions[2], torch.tensor([0.0, 2 * 2.002 / 6 - 1]))
    other = load_dataset(action_low=-4, action_high=4, **options)
    assert other.info.fingerprint != data.info.fingerprint


def test_the_entries_of_a_view_are_decided_once(tmp_path):
    """In the second episode the observation happens to begin with the position."""
    first, second = (maze_episode([[k, 1], [k, 2]]) for k in range(2))
    second["observations"]["observation"][:, :2] = second["observations"]["achieved_goal"]
    path = write_minari(tmp_path / "made", [first, second])
    data = load_dataset(name="x", path=path, view="d4rl", cache=tmp_path / "cache")
    assert data.observations.shape == (4, 5)
