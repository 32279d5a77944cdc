import socket
import time
from pathlib import Path

import pytest

from ivr.data.sources.d4rl.location import MIRROR, SERVER, locate_d4rl
from ivr.errors import UserError

ID = "gym_mujoco_v2/hopper_medium-v2.hdf5"
NAME = "hopper_medium-v2.hdf5"


def _no_network(*args: object, **kwargs: object) -> socket.socket:
    raise OSError("unreachable")


def _silence(*args: object, **kwargs: object) -> socket.socket:
    time.sleep(20)
    raise TimeoutError


@pytest.mark.parametrize("connect", [_no_network, _silence])
def test_without_a_network_the_answer_comes_at_once(monkeypatch, connect):
    monkeypatch.delenv("D4RL_DATASET_DIR", raising=False)
    monkeypatch.setattr(socket, "create_connection", connect)
    start = time.perf_counter()
    with pytest.raises(UserError) as caught:
        locate_d4rl(ID, None)
    assert time.perf_counter() - start < 3
    message = str(caught.value)
    assert message.startswith(f"Cannot download {NAME}: no network. Tried:\n")
    for place in (f"{Path.home()}/.d4rl/datasets: it is not", f"{SERVER}/{ID}: rail", MIRROR):
        assert f"\n  {place}" in message
    assert f"Put {NAME} into {Path.home()}/.d4rl/datasets" in message
    assert "D4RL_DATASET_DIR" in message and "dataset.path=" in message


def test_local_files_are_found_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", _no_network)
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    (tmp_path / NAME).touch()
    (tmp_path / "other.hdf5").touch()
    assert locate_d4rl(ID, None) == [tmp_path / NAME]
    assert locate_d4rl(ID, tmp_path) == [tmp_path / NAME]  # a folder with the expected name
    assert locate_d4rl(ID, tmp_path / "other.hdf5") == [tmp_path / "other.hdf5"]
    both = [str(tmp_path / "other.hdf5"), str(tmp_path)]
    assert locate_d4rl(ID, both) == [tmp_path / "other.hdf5", tmp_path / NAME]


def test_a_wrong_path_is_told_with_what_is_there(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.path=.*nowhere does not exist.*D4RL HDF5 file"):
        locate_d4rl(ID, tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"folder that is empty.*or a folder that holds {NAME}"):
        locate_d4rl(ID, tmp_path)
    (tmp_path / "apples").touch()
    with pytest.raises(UserError, match=r"folder that holds apples\. Give a D4RL HDF5 file\.$"):
        locate_d4rl(None, tmp_path)
    with pytest.raises(UserError, match=r"dataset\.path=\[\] names no file"):
        locate_d4rl(ID, [])
    with pytest.raises(UserError, match=r"dataset\.path is not set"):
        locate_d4rl(None, None)


def test_a_maze_that_cannot_be_downloaded_has_a_stand_in(monkeypatch, tmp_path):
    monkeypatch.setattr(socket, "create_connection", _no_network)
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    maze = "ant_maze_v2/Ant_maze_big-maze_noisy_multistart_True_multigoal_False_sparse_fixed.hdf5"
    with pytest.raises(UserError, match=r"dataset=antmaze-medium-play dataset\.source=generated"):
        locate_d4rl(maze, None)
