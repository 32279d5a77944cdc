"""Alignment cannot slip in Minari's datasets either, ours or as Minari itself writes them."""

import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from hypothesis import given, settings
from hypothesis import strategies as st
from minari.data_collector.episode_buffer import EpisodeBuffer
from torch.utils._pytree import tree_map

from tests.data.sources.alignment_making import LIMIT, NUMBERS, check, kept_of, load, rewards_of
from tests.data.sources.d4rl.d4rl_making import Made
from tests.data.sources.minari.minari_making import encoded_episodes, write_minari

_unmarked = st.builds(Made, st.integers(0, LIMIT), st.sampled_from(["terminal", "timeout", "both"]))


def _minari_episodes(
    episodes: list[Made], numbers: str = "f8", is_dict: bool = False
) -> list[dict[str, Any]]:
    """T + 1 observations of T actions; in a dictionary beside goals that say something else."""
    made = encoded_episodes([episode.steps for episode in episodes])
    for episode, (steps, end) in zip(made, episodes, strict=True):
        seen = episode["observations"].astype(numbers)
        episode["rewards"] = rewards_of(episode["observations"][:-1]).astype(numbers)
        episode["terminations"] = (np.arange(1, steps + 1) == steps) & (end in ("terminal", "both"))
        episode["truncations"] = (np.arange(1, steps + 1) == steps) & (end in ("timeout", "both"))
        goals = {"achieved_goal": 0 * seen - 7, "desired_goal": 0 * seen - 9}
        episode["observations"] = {"observation": seen} | goals if is_dict else seen
    return made


@settings(max_examples=40, deadline=None)
@given(
    episodes=st.lists(_unmarked, min_size=1, max_size=7),
    is_dict=st.booleans(),
    numbers=st.sampled_from([n for n in NUMBERS if not n.startswith("u")]),
    compression=st.sampled_from([None, "gzip"]),
)
def test_minari_hdf5(episodes, is_dict, numbers, compression):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = _minari_episodes(episodes, numbers, is_dict)
        path = write_minari(folder / "made", made, compression=compression)
        keys = {"path": path, "view": "observation" if is_dict else "flat"}
        check(lambda: load(folder, **keys), kept_of(episodes, has_next=True), 1 / 1000, True)


_BOX = Box(-np.inf, np.inf, (2,), np.float64)
_SPACES = {
    "box": _BOX,
    "dict": Dict({"observation": _BOX, "achieved_goal": _BOX, "desired_goal": _BOX}),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Minari asks for an author and so on
@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
@pytest.mark.parametrize("kind", list(_SPACES))
@settings(max_examples=6, deadline=None)
@given(episodes=st.lists(_unmarked.filter(lambda e: e.steps > 0), min_size=1, max_size=5))
def test_what_minaris_own_buffers_wrote(data_format, kind, episodes):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        folder = Path(name)
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder / "minari"))
        made = _minari_episodes(episodes, is_dict=kind == "dict")
        minari.create_dataset_from_buffers(
            "test/written-v0",
            [EpisodeBuffer(id=k, **episode) for k, episode in enumerate(made)],
            observation_space=_SPACES[kind],
            action_space=Box(-1, 1, (2,), np.float64),
            data_format=data_format,
        )
        keys = {"id": "test/written-v0", "view": "observation" if kind == "dict" else "flat"}
        check(lambda: load(folder, **keys), kept_of(episodes, has_next=True), 1 / 1000, True)


class _Counting(gymnasium.Env[Any, Any]):
    """Observations are (number of the reset, step); ends as it is told to."""

    action_space = Box(-1, 1, (2,), np.float64)

    def __init__(self, kind: str, episodes: list[Made]) -> None:
        self.observation_space = _SPACES[kind]
        self._kind, self._episodes, self._k, self._t = kind, episodes, -1, 0

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        self._k, self._t = self._k + 1, 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(20 * self._k + self._t)
        self._t += 1
        steps, end = self._episodes[self._k]
        over = self._t == steps
        terminated = over and end in ("terminal", "both")
        return self._seen(), reward, terminated, over and end in ("timeout", "both"), {}

    def _seen(self) -> Any:
        seen = np.array([self._k, self._t], np.float64)
        if self._kind == "box":
            return seen
        return {"observation": seen, "achieved_goal": 0 * seen - 7, "desired_goal": 0 * seen - 9}


def _stand_in_for_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that Minari's collector asks of jax is a map over nested dictionaries."""
    if importlib.util.find_spec("jax") is None:
        trees = types.ModuleType("jax.tree_util")
        trees.tree_map = tree_map  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "jax", types.ModuleType("jax"))
        monkeypatch.setitem(sys.modules, "jax.tree_util", trees)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
@pytest.mark.parametrize("kind", list(_SPACES))
def test_what_minaris_own_collector_recorded(tmp_path, monkeypatch, data_format, kind):
    _stand_in_for_jax(monkeypatch)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    episodes = [Made(3, "terminal"), Made(1, "timeout"), Made(4, "both"), Made(2, "timeout")]
    environment = minari.DataCollector(_Counting(kind, episodes), data_format=data_format)
    for k, episode in enumerate(episodes):
        environment.reset()
        for t in range(episode.steps):
            environment.step(np.array([k, t]) / 1000)
    environment.create_dataset("test/recorded-v0")
    keys = {"id": "test/recorded-v0", "view": "observation" if kind == "dict" else "flat"}
    kept = kept_of(episodes, has_next=True)
    check(lambda: load(tmp_path, **keys), kept, 1 / 1000, True)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("data_format", ["arrow", "parquet"])
def test_an_episode_of_several_arrow_batches_is_read_whole(tmp_path, monkeypatch, data_format):
    """Minari's own reader keeps the first 32,767 rows (its issue 351)."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    episodes = [Made(2, "timeout"), Made(140_000, "timeout"), Made(3, "terminal")]
    made = _minari_episodes(episodes, is_dict=False)
    minari.create_dataset_from_buffers(
        "test/long-v0",
        [EpisodeBuffer(id=k, **episode) for k, episode in enumerate(made)],
        observation_space=_SPACES["box"],
        action_space=Box(-1, 1000, (2,), np.float64),
        data_format=data_format,
    )
    data = load(tmp_path, id="test/long-v0", view="flat")
    assert data.num_transitions == 140_005
    steps = [*range(2), *range(140_000), *range(3)]
    assert data.observations[data.rows, 1].tolist() == steps
    assert data.observations[data.rows + 1, 1].tolist() == [step + 1 for step in steps]
    assert data.terminated.nonzero().tolist() == [[140_004]]
