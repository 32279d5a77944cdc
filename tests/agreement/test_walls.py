import json

import pytest

from ivr.agreement.walls import check_walls, recorded_walls
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
