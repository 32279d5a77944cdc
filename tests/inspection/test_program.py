"""`inspect_data.py` lists every defect with its place, and says what is legal but odd."""

import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.data.sources.d4rl.published import PUBLISHED
from ivr.data.sources.defects import BOUNDS, FINITE
from ivr.errors import UserError
from ivr.inspection.findings import MISFIT
from ivr.mazes import Maze
from tests.data.loading import load_dataset, load_node
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.data.sources.minari.minari_making import encoded_episodes, maze_episode, write_minari
from tests.inspection.inspecting import EPISODES, d4rl_words, inspect, places
from tests.running import composed

ROOT = Path(__file__).resolve().parents[2]


_spoilt = st.sets(
    st.tuples(st.sampled_from(["observations", "rewards", "actions"]), st.integers(0, 11)),
    min_size=1,
)


@settings(max_examples=15, deadline=None)
@given(_spoilt)
def test_all_are_listed_and_the_trainer_stops_at_one_of_them(spoilt):
    """Numbers that are not finite in observations and rewards, actions beyond their bounds."""
    columns = encoded_columns(EPISODES)
    starts = np.array([0, 3, 8])
    expected = set()
    for name, row in spoilt:
        columns[name][row] = 7 if name == "actions" else np.nan
        episode = int(np.searchsorted(starts, row, side="right")) - 1
        kind = BOUNDS if name == "actions" else FINITE
        expected.add((kind, episode, int(row - starts[episode]), row))
    with tempfile.TemporaryDirectory() as name:
        path = write_d4rl(Path(name) / "a.hdf5", columns)
        words = ("dataset=d4rl_hdf5", f"dataset.path={path}", "show=1000")
        card, error = inspect(Path(name) / "run", *words)
        assert places(card) == expected
        assert sum(found["count"] for found in card["defects"].values()) == len(spoilt)
        assert error is not None and f"has {len(spoilt)} defect" in str(error)
        texts = {one["text"] for found in card["defects"].values() for one in found["first"]}
        with pytest.raises(UserError) as refused:
            options = {"source": "d4rl_hdf5", "path": path, "view": "flat", "progress": False}
            load_dataset(name="x", cache=Path(name), **options)
        assert str(refused.value) in texts


def test_a_cap_on_what_is_listed_is_none_on_what_is_counted(tmp_path, caplog):
    columns = encoded_columns([Made(50, "timeout")])
    columns["rewards"][10:40] = np.nan
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    with caplog.at_level("INFO"):
        card, error = inspect(tmp_path / "run", "dataset=d4rl_hdf5", f"dataset.path={path}")
    assert error is not None
    found = card["defects"][FINITE]
    assert found["count"] == 30 and [one["row"] for one in found["first"]] == list(range(10, 30))
    assert "and 10 more (show=N prints more)" in caplog.text
    assert "episode 0, step 29 (row 29): rewards holds nan" in caplog.text
    advice = "Remove the episode or mend the file."
    assert caplog.text.count(advice) == 1 and advice in found["first"][0]["text"]
    page = (tmp_path / "run" / "card.html").read_text()
    assert page.count(advice) == 2 and "30 defects: not fit to train on" in page


def test_an_environment_that_does_not_fit_is_a_defect(tmp_path):
    words = d4rl_words(tmp_path, lambda columns: None)
    card, error = inspect(tmp_path / "run", *words, "dataset.env=Hopper-v5")
    assert error is not None and card["environment"] is None
    assert "gives observations of shape (11,)" in card["defects"][MISFIT]["first"][0]["what"]


def test_an_environment_that_is_not_installed_is_no_defect(tmp_path):
    spec = '{"id": "lab/Crane-v3", "kwargs": {}}'
    data = write_minari(tmp_path / "a", encoded_episodes([5, 6]), bounds=(-1, 2), env_spec=spec)
    card, error = inspect(tmp_path / "run", "dataset=minari", f"dataset.path={data}")
    assert error is None and card["environment"] is None
    assert any("lab/Crane-v3, which is not installed" in said for said in card["warnings"])


def test_what_is_legal_but_odd_is_no_defect(tmp_path):
    columns = encoded_columns([Made(3, "timeout"), Made(1, "terminal"), Made(3, "timeout")])
    columns["observations"][:, 0] = 5
    columns["next_observations"][:, 0] = 5
    columns["rewards"][:] = 2
    columns["actions"][:, 1] = 1
    for name in ("observations", "actions", "next_observations"):
        columns[name][4:] = columns[name][:3]
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    card, error = inspect(tmp_path / "run", "dataset=d4rl_hdf5", f"dataset.path={path}")
    assert error is None
    said = "\n".join(card["warnings"])
    assert "1 episode of one step (the first: episode 1)" in said
    # Rows 4, 5 and 6 are those of 0, 1 and 2.
    assert card["duplicates"]["count"] >= 3
    assert "(the first: episode 2, step 0, which is episode 0, step 0)" in said
    assert "all rewards are 2" in said
    assert "observations hold one value alone in observation_0: leave" in said
    assert "at a bound in more than 25% of the steps in action_1" in said


def test_marks_inside_an_episode_and_ends_without_one_are_told_with_their_place(tmp_path):
    episodes = encoded_episodes([4, 0, 3])
    episodes[0]["terminations"][1] = True
    episodes[2]["truncations"][:] = False
    path = write_minari(tmp_path / "made", episodes)
    card, error = inspect(tmp_path / "run", "dataset=minari", f"dataset.path={path}")
    assert error is None
    said = "\n".join(card["warnings"])
    assert "terminated after which the episode continues (the first: episode 0, step 1)" in said
    assert "1 episode without a step, left out (the first: episode 1)" in said
    assert "end is not marked, taken as ended by time (the first: episode 2)" in said


def test_actions_that_training_clips_are_listed(tmp_path):
    episodes = encoded_episodes([4, 0, 3])
    episodes[2]["actions"][2] = 3
    path = write_minari(tmp_path / "made", episodes)
    card, error = inspect(tmp_path / "run", "dataset=minari", f"dataset.path={path}")
    assert error is None and card["actions"]["clipped"] == 1
    (said,) = (one for one in card["warnings"] if "are clipped" in one)
    assert "1 of 7 actions" in said and "action_0 in 1, action_1 in 1 (the first: " in said
    assert "episode 2, step 2)" in said
    card, error = inspect(
        tmp_path / "refused", "dataset=minari", f"dataset.path={path}", "dataset.actions=refuse"
    )
    assert "has 1 defect, listed" in str(error)
    found = card["defects"]["actions outside their bounds"]
    assert found["count"] == 1 and card["actions"]["clipped"] == 0
    assert "episode 2, step 2: action 0 is 3, outside its bounds -1 to 1, as 1 more" in str(found)


def test_figures_are_those_of_the_data_that_are_trained_on(tmp_path, small_pointmaze):
    card, error = inspect(tmp_path / "run", "dataset=pointmaze-umaze")
    assert error is None and card["environment"].startswith("PointMaze_UMaze-v3")
    assert card["certificate"]["status"] == "exact"
    config = composed(("dataset=pointmaze-umaze",)).dataset
    data = load_node(config, tmp_path)
    kept = card["trained_on"]
    assert kept["steps"] == data.num_transitions and kept["episodes"] == data.info.episodes
    assert kept["terminated"] == int(data.terminated.sum())
    assert kept["truncated"] == int(data.truncated.sum())
    assert kept["rewards"][0] == float(data.rewards.min())
    assert kept["rewards"][1] == pytest.approx(float(data.rewards.double().mean()))
    assert kept["returns"][1] == pytest.approx(float(data.episode_returns.mean()))
    assert card["recorded"]["steps"] >= kept["steps"] >= 0.5 * card["recorded"]["steps"]


def test_the_page_needs_nothing_but_itself(tmp_path, small_pointmaze):
    inspect(tmp_path / "run", "dataset=pointmaze-umaze", pictures=True)
    page = (tmp_path / "run" / "card.html").read_text()
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert len(sources) == 6 and all(s.startswith("data:image/svg+xml;base64,") for s in sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page) and "<script" not in page
    assert "url(" not in page and "@import" not in page


def test_names_from_the_data_are_text_on_the_page_and_on_the_screen(tmp_path, caplog):
    evil = "<script>alert(1)</script> \x1b[2J\x1b]0;title\x07 \u202e&amp;"
    path = write_minari(tmp_path / "made", encoded_episodes([3]), dataset_id=evil)
    with caplog.at_level("INFO"):
        inspect(tmp_path / "run", "dataset=minari", f"dataset.path={path}")
    page = (tmp_path / "run" / "card.html").read_text()
    shown = r"<script>alert(1)</script> \x1b[2J\x1b]0;title\x07 \u202e&amp;"
    assert shown in caplog.text and "\x1b" not in caplog.text + page
    assert page.count(escape(shown)) == 2 and "<script" not in page  # above, and among all figures


def test_the_program_ends_with_a_status_and_no_traceback(tmp_path):
    columns = encoded_columns(EPISODES)
    columns["rewards"][4] = np.nan
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    words = ["dataset=d4rl_hdf5", f"dataset.path={path}", f"hydra.run.dir={tmp_path / 'run'}"]
    command = [sys.executable, str(ROOT / "inspect_data.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "episode 1, step 1 (row 4): rewards holds nan" in done.stdout
    assert "Error: d4rl_hdf5 has 1 defect, listed" in done.stderr
    assert (tmp_path / "run" / "card.html").is_file()


def test_what_is_recorded_counts_rows_that_are_not_trained_on(tmp_path):
    columns = encoded_columns([Made(5, "timeout"), Made(1, "timeout"), Made(2, "terminal")])
    columns |= {"next_observations": None, "rewards": np.full(8, -5.0)}
    path = write_d4rl(tmp_path / "a.hdf5", columns)
    card, error = inspect(tmp_path / "run", "dataset=d4rl_hdf5", f"dataset.path={path}")
    assert error is None
    recorded, kept = card["recorded"], card["trained_on"]
    assert (recorded["episodes"], recorded["steps"], recorded["lengths"]) == (3, 8, [1, 2, 5])
    assert recorded["returns"][0] == -25 and recorded["returns"][2] == -5
    # The last rows of the first two have no next observation.
    assert (kept["episodes"], kept["steps"]) == (2, 6)
    assert any("2 of 8 rows are not trained on" in said for said in card["warnings"])


@pytest.mark.parametrize(
    ("episodes", "suspect"),
    [
        ([Made(5, "terminal")] * 4, True),
        ([Made(5, "terminal")] * 3 + [Made(2, "terminal")] * 2, True),
        ([Made(5, "timeout")] * 3 + [Made(2, "terminal")], False),
        ([Made(5, "terminal"), Made(3, "terminal"), Made(4, "terminal")], False),
    ],
)
def test_time_limits_that_are_marked_as_terminals(tmp_path, episodes, suspect):
    path = write_d4rl(tmp_path / "a.hdf5", encoded_columns(episodes))
    card, _ = inspect(tmp_path / "run", "dataset=d4rl_hdf5", f"dataset.path={path}")
    assert any("after exactly 5 steps" in said for said in card["warnings"]) == suspect


def _walks(tmp_path, marks):
    """Three episodes in the umaze's corners: there, back, and from beside the start."""
    maze = Maze.named("umaze", 4.0)
    upper, lower = maze.centre((1, 1)), maze.centre((3, 1))
    cells = [list(row) for row in maze.layout]
    for (row, column), mark in marks.items():
        cells[row][column] = mark
    beside = np.array([1.9, -1.9])
    walks = [[upper, [0, 0], lower], [lower, [0, 0], upper], [lower + beside, upper]]
    episodes = [maze_episode(walk) for walk in walks]
    path = write_minari(tmp_path / "made", episodes, maze_map=cells)
    return "dataset=antmaze-umaze", f"dataset.path={path}"


@pytest.mark.parametrize(
    ("marks", "cells", "leading"),
    [({}, ([1, 1], [3, 1]), 1), ({(3, 1): "r", (1, 1): "g"}, ([3, 1], [1, 1]), 2)],
)
def test_episodes_that_lead_from_the_start_to_the_goal(tmp_path, caplog, marks, cells, leading):
    with caplog.at_level("INFO"), pytest.warns(UserWarning, match="holds test/made-v0, and not D4"):
        card, _ = inspect(tmp_path / "run", *_walks(tmp_path, marks))
    maze = card["maze"]
    assert ([maze["start_cell"], maze["goal_cell"]], maze["episodes_from_start_to_goal"]) == (
        list(cells), leading,
    )  # fmt: skip
    assert f"{leading} of 3 episodes lead from the evaluation's start to its goal" in caplog.text


def test_d4rls_own_episodes_are_seen_in_d4rls_frame(tmp_path, monkeypatch, caplog):
    """Start (0, 0), goal (0, 8): y grows with the row."""
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    observations = np.zeros((8, 29), np.float32)
    observations[:4, :2] = [[0, 0], [8, 4], [0, 8], [0, 8]]
    observations[4:, :2] = [[0, 0], [4, 0], [8, 0], [8, 4]]
    columns = {
        "observations": observations,
        "actions": np.zeros((8, 8), np.float32),
        "rewards": np.zeros(8),
        "terminals": np.zeros(8, bool),
        "timeouts": np.arange(8) % 4 == 3,
    }
    write_d4rl(tmp_path / PUBLISHED["antmaze-umaze"].file, columns)
    words = ("dataset=antmaze-umaze", "dataset.source=d4rl", "dataset.as_is=true")
    with caplog.at_level("INFO"):
        card, error = inspect(tmp_path / "run", *words)
    assert error is None and card["dataset"] == "antmaze-umaze (as is)"
    assert card["maze"] == {
        "start_cell": [1, 1], "goal_cell": [3, 1], "cells": "D4RL's",
        "episodes_from_start_to_goal": 1,
    }  # fmt: skip
    assert not any("no free cell" in said for said in card["warnings"])
