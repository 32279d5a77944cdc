"""D4RL's own files train as D4RL's `qlearning_dataset` makes them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.sources.d4rl.published import PUBLISHED
from ivr.data.sources.d4rl.source import D4RLSource
from tests.data.loading import load_node
from tests.data.sources.d4rl.d4rl_making import write_d4rl
from tests.running import composed


def qlearning_dataset(env: Any, dataset: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows (observation, action, reward, next observation, done), by D4RL's rule (89141a6)."""
    rows, step = [], 0
    for i in range(len(dataset["rewards"]) - 1):
        if "timeouts" in dataset:
            final = dataset["timeouts"][i]
        else:
            final = step == env._max_episode_steps - 1
        if final:
            step = 0
            continue
        done = bool(dataset["terminals"][i])
        if done:
            step = 0
        rows.append(
            (
                *(dataset[key][i].tolist() for key in ("observations", "actions", "rewards")),
                dataset["observations"][i + 1].tolist(),
                done,
            )
        )
        step += 1
    return rows


def columns(terminals: list[bool], timeouts: list[bool] | None, width: int, actions: int) -> Any:
    """Observations, actions and rewards of which each row is like no other."""
    row = np.arange(len(terminals))
    spread = np.linspace(0.5, 1, width)
    made = {
        "observations": np.float32(row[:, None] + spread),
        "actions": np.float32(np.sin(row[:, None] + np.arange(actions))),
        "rewards": np.float32(row % 5),
        "terminals": np.array(terminals),
    }
    return made if timeouts is None else made | {"timeouts": np.array(timeouts)}


MARKS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


@given(marks=MARKS, timed=st.booleans(), limit=st.integers(1, 5))
def test_the_transitions_are_those_of_qlearning_dataset(tmp_path_factory, marks, timed, limit):
    terminals, timeouts = ([mark[k] for mark in marks] for k in (0, 1))
    made = columns(terminals, timeouts if timed else None, 2, 1)
    path = write_d4rl(tmp_path_factory.getbasetemp() / "qlearning.hdf5", made)
    found = []
    for episode in D4RLSource([path], limit, published=True).episodes():
        seen = episode.observations["observation"].tolist()
        parts = (episode.actions, episode.rewards, episode.terminations)
        found += zip(seen[:-1], *(part.tolist() for part in parts), seen[1:], strict=True)
    expected = qlearning_dataset(SimpleNamespace(_max_episode_steps=limit), made)
    assert found == [(s, a, r, done, after) for s, a, r, after, done in expected]


@pytest.mark.parametrize(
    ("name", "width", "actions", "goal"),
    # The goal's cell is two rows below the start's, and y grows with the row.
    [("antmaze-umaze", 29, 8, (0, 8)), ("kitchen-mixed", 60, 9, None)],
)
def test_a_set_is_read_by_its_name(tmp_path, monkeypatch, name, width, actions, goal):
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    ends = [row in (3, 7) for row in range(9)]
    made = columns(ends, None if width == 60 else [row == 5 for row in range(9)], width, actions)
    write_d4rl(tmp_path / PUBLISHED[name].file, made)
    node = composed((f"dataset={name}", "dataset.source=d4rl", "dataset.as_is=true")).dataset
    data = load_node(node, tmp_path / "cache")
    assert data.info.source.startswith(f"d4rl {PUBLISHED[name].file}; not {name} as it was publ")
    assert data.info.goal == goal
    expected = qlearning_dataset(SimpleNamespace(_max_episode_steps=280), made)
    shift = -1 if "antmaze" in name else 0
    assert data.rewards.tolist() == [reward + shift for _, _, reward, *_ in expected]
    assert data.observations[data.rows].tolist() == [row[0] for row in expected]
