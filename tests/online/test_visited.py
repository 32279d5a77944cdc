"""Which positions of a run online are drawn."""

import numpy as np
import pytest

from ivr.mazes import Maze
from ivr.online.visited import draw_visited, first_and_last
from tests.online.collecting import SCHEDULE, collector


@pytest.mark.parametrize("capacity", [60, 13])
def test_the_warm_up_stands_beside_the_last_steps(capacity):
    """Of 47 steps, 10 of them warm-up; a buffer of 13 holds no step before the 35th."""
    every, found = collector(), collector(capacity=capacity)
    for each in (every, found):
        each.collect(47)
    for member in (0, 1):
        positions = every.buffer.columns.observations[member, :, :2].numpy()
        first = 0 if capacity == 60 else 47 - capacity
        assert SCHEDULE.warmup_steps == 10
        expected = {
            f"first steps: {first + 1} to {first + 10}": positions[first : first + 10],
            "last steps: 38 to 47": positions[37:47],
        }
        shown = first_and_last(found, member)
        assert list(shown) == list(expected)
        for name, here in shown.items():
            np.testing.assert_array_equal(here, expected[name])


def test_a_picture_for_each_of_up_to_four_members(tmp_path):
    found = collector(tuple(range(5)))
    found.collect(12)
    draw_visited(tmp_path, Maze.named("umaze", 1.0), found)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"visited_seed{k}.png" for k in range(4)
    ]
