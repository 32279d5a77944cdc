import dataclasses

import numpy as np
import torch

from ivr.evaluation.pictures import BINS, maze_picture, value_map, visited_picture
from ivr.mazes import Maze
from tests.evaluation.evaluation_making import Idle, PathFollower

MAZE = Maze.named("medium", 4.0)
WAY = np.array([MAZE.centre(cell) for cell in MAZE.shortest_path(MAZE.start, MAZE.goal)])


def test_values_are_averaged_where_they_were_seen():
    at = torch.tensor(MAZE.centre((1, 2))).float() + 0.1  # right of and above the middle
    far = torch.tensor([500.0, 0.0])
    observations = torch.stack([at, at + 0.3, far])
    policy = PathFollower(MAZE)
    grid = value_map(policy, 1, 3, observations, MAZE)
    assert grid.shape == (8 * BINS, 8 * BINS)
    row, column = 1 * BINS + 1, 2 * BINS + 2
    assert np.argwhere(~np.isnan(grid)).tolist() == [[row, column]]
    expected = policy.state_value(observations.expand(3, -1, -1))[1, :2].mean()
    assert np.isclose(grid[row, column], float(expected))


def test_the_map_rises_towards_the_goal():
    positions = torch.from_numpy(WAY).float()
    grid = value_map(PathFollower(MAZE), 0, 1, positions, MAZE)
    (r0, c0), (r1, c1) = MAZE.start, MAZE.goal
    cell = [np.nanmean(grid[r * BINS : (r + 1) * BINS, c * BINS : (c + 1) * BINS])
            for r, c in ((r0, c0), (r1, c1))]  # fmt: skip
    assert cell[0] < cell[1]


def test_no_value_no_map():
    assert value_map(Idle(2), 0, 1, torch.zeros(5, 4), MAZE) is None


def colour_count(picture, colour):
    return int((picture == np.array(colour, np.uint8)).all(-1).sum())


def test_a_picture_shows_success_and_failure():
    reached, failed = (maze_picture(MAZE, [WAY], [s], None, "title") for s in (True, False))
    assert reached.dtype == np.uint8 and reached.shape[2] == 3 and reached.shape == failed.shape
    assert min(reached.shape[:2]) > 300
    orange = (failed[..., 0] > 220) & (failed[..., 1] < 140) & (failed[..., 2] < 120)
    plain = (reached[..., 0] > 220) & (reached[..., 1] < 140) & (reached[..., 2] < 120)
    assert orange.sum() > plain.sum() + 500  # the way itself; the legend has the colour in both


def test_positions_of_d4rls_frame_are_drawn_where_they_are():
    """There the start is the origin and y grows with the row."""
    theirs = dataclasses.replace(MAZE, d4rl_frame=True)
    way = (WAY - WAY[0]) * (1, -1)
    drawn = [maze_picture(maze, [path], [True]) for maze, path in ((MAZE, WAY), (theirs, way))]
    assert np.array_equal(*drawn)
    grid = value_map(PathFollower(MAZE), 0, 1, torch.from_numpy(way).float(), theirs)
    rows, columns = np.nonzero(~np.isnan(grid))
    assert {(int(r) // BINS, int(c) // BINS) for r, c in zip(rows, columns, strict=True)} == set(
        MAZE.shortest_path(MAZE.start, MAZE.goal)
    )


def test_a_picture_shows_the_values():
    grid = value_map(PathFollower(MAZE), 0, 1, torch.from_numpy(WAY).float(), MAZE)
    picture = maze_picture(MAZE, [], [], grid)
    yellow = (picture[..., 0] > 240) & (picture[..., 1] > 220) & (picture[..., 2] < 60)
    assert yellow.sum() > 50
    # The floor elsewhere keeps its own grey.
    assert colour_count(picture, (0x7B, 0x84, 0x94)) > 1000


def test_a_picture_without_paths_or_successes():
    assert maze_picture(MAZE, [], None).shape[2] == 3
    assert maze_picture(MAZE, [WAY], None).shape[2] == 3


def test_a_picture_shows_where_one_was_and_how_often():
    """Half of the steps of the left panel at the goal, where the right panel has one."""
    goal, start = MAZE.centre(MAZE.goal), MAZE.centre(MAZE.start)
    left = np.tile([goal, WAY[3]], (50, 1))
    right = np.concatenate([[goal], np.tile([start], (99, 1))])
    picture = visited_picture(MAZE, {"first": left, "last": right}, "title")
    only_right = visited_picture(MAZE, {"first": right, "last": right}, "title")
    assert picture.dtype == np.uint8 and picture.shape == only_right.shape
    differs = (picture != only_right).any(-1).sum(0)
    middle = picture.shape[1] // 2
    assert differs[:middle].sum() > 100 and differs[middle : middle + 300].sum() == 0


def test_a_picture_of_steps_outside_of_the_maze_is_empty():
    away = np.full((1, 2), 500.0)
    inside = visited_picture(MAZE, {"": np.array([MAZE.centre((1, 2))])})
    outside = visited_picture(MAZE, {"": away})
    assert (inside != outside).any()
