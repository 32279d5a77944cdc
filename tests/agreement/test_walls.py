import json

import pytest

from ivr.agreement.walls import check_walls, placed, recorded_walls
from ivr.errors import UserError
from ivr.mazes import MAZES, Maze


def _spec(cells: object) -> str:
    return json.dumps({"id": "x", "kwargs": {"maze_map": cells}})


@pytest.mark.parametrize("name", MAZES)
def test_marks_are_free_cells_and_the_same_walls_pass(name):
    maze = Maze.named(name, 1.0)
    cells = [list(row) for row in maze.layout]
    for mark, (row, column) in (("r", maze.start), ("g", maze.goal), ("c", (1, 2))):
        cells[row][column] = mark if not maze.layout[row][column] else 1
    walls = recorded_walls(_spec(cells))
    assert walls == maze.layout
    check_walls(walls, maze, name)


@pytest.mark.parametrize("spec", [None, "", "{}", '{"kwargs": {}}', '{"kwargs": null}'])
def test_a_record_without_a_maze_passes(spec):
    assert recorded_walls(spec) is None
    check_walls(None, Maze.named("umaze", 1.0), "umaze")


def test_other_walls_are_drawn_beside_those_of_the_evaluation():
    mirrored = recorded_walls(_spec([[1] * 5, [1, 0, 0, 0, 1], [1, 0, 1, 1, 1], [1] * 5]))
    with pytest.raises(UserError) as caught:
        check_walls(mirrored, Maze.named("umaze", 1.0), "umaze")
    lines = str(caught.value).splitlines()
    assert "dataset.maze=umaze" in lines[0] and "other walls" in lines[0]
    assert lines[lines.index("evaluation:") + 3] == "  ###.#"
    assert lines[lines.index("data:") + 3] == "  #.###"


@pytest.mark.parametrize("spec", ["no json", "[]", "7", _spec(3), _spec([]), _spec([[1, 1], [1]])])
def test_a_record_that_cannot_be_read_is_one_message(spec):
    with pytest.raises(UserError, match="cannot be read"):
        recorded_walls(spec)


# The cells of the umaze, from D4RL's start to its goal.
UMAZE = [(1, 1), (1, 2), (1, 3), (2, 3), (3, 3), (3, 2), (3, 1)]
D4RLS = (1, 1), (3, 1)


@pytest.mark.parametrize(
    ("marks", "cells", "words"),
    [
        # As in Minari's D4RL/antmaze/umaze-v1.
        ({(1, 1): "g", (3, 1): "r"}, ((3, 1), (1, 1)), "as the data mark them"),
        ({(1, 1): "r", (3, 1): "g"}, D4RLS, "as the data mark them"),
        ({(1, 3): "r", (3, 2): "g"}, ((1, 3), (3, 2)), "as the data mark them"),
        ({}, D4RLS, "D4RL's, as the data mark none"),
        ({(3, 1): "r"}, D4RLS, "1 start and no goals, and not one of each"),
        ({(1, 1): "g"}, D4RLS, "no starts and 1 goal, and not one of each"),
        ({(3, 1): "r", (1, 1): "g", (1, 3): "g"}, D4RLS, "1 start and 2 goals, and"),
        ({(3, 1): "r", (3, 3): "r", (1, 1): "g"}, D4RLS, "2 starts and 1 goal, and"),
        ({(3, 1): "c"}, D4RLS, "1 start and 1 goal, and not one of each"),
        ({(3, 1): "c", (1, 1): "g"}, D4RLS, "1 start and 2 goals, and"),
    ],
)
def test_one_start_and_one_goal_decide_where_the_data_mark_both(marks, cells, words):
    maze = Maze.named("umaze", 4.0)
    rows = [list(row) for row in maze.layout]
    for (row, column), mark in marks.items():
        assert (row, column) in UMAZE
        rows[row][column] = mark
    found, said = placed(maze, _spec(rows))
    assert (found.start, found.goal) == cells and words in said
    assert (found.layout, found.scale) == (maze.layout, maze.scale)


def test_without_a_record_the_cells_are_d4rls():
    maze = Maze.named("large", 4.0)
    assert placed(maze, None) == (maze, "D4RL's, as the data mark none")
