import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ivr.data.sources.minari.location import locate
from ivr.errors import UserError


def _no_network(*args: object, **kwargs: object) -> socket.socket:
    raise OSError("unreachable")


def _silence(*args: object, **kwargs: object) -> socket.socket:
    time.sleep(20)
    raise TimeoutError


@pytest.mark.parametrize("connect", [_no_network, _silence])
def test_without_a_network_the_answer_comes_at_once(tmp_path, monkeypatch, connect):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", connect)
    start = time.perf_counter()
    with pytest.raises(UserError) as caught:
        locate("D4RL/antmaze/medium-play-v1", None)
    assert time.perf_counter() - start < 3
    message = str(caught.value)
    assert "cannot download d4rl/antmaze/medium-play-v1: no network" in message.lower()
    assert f"MINARI_DATASETS_PATH={tmp_path}" in message
    assert "dataset.path=" in message
    command = "python train.py dataset=antmaze-medium-play dataset.source=generated"
    assert message.endswith(command)


def test_a_hub_that_answers_but_does_not_serve(tmp_path, monkeypatch):
    import minari

    def missing(dataset_id: str, force_download: bool) -> None:
        raise ValueError(f"Couldn't find {dataset_id}, {force_download}")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setattr(minari, "download_dataset", missing)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(UserError, match="Cannot download a/b-v0: Couldn't find a/b-v0, False"):
            locate("a/b-v0", None)
        (tmp_path / "a" / "b-v0").mkdir(parents=True)  # what a broken download leaves
        with pytest.raises(UserError, match="Couldn't find a/b-v0, True"):
            locate("a/b-v0", None)


def test_local_data_are_found_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", _no_network)
    data = tmp_path / "a" / "b-v0" / "data"
    data.mkdir(parents=True)
    (data / "metadata.json").touch()
    assert locate("a/b-v0", None) == data.parent
    assert locate(None, data.parent) == locate(None, data) == locate("other", data) == data.parent


def test_a_wrong_path_is_told_with_what_is_there(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.path=.*nowhere does not exist.*data/metadata"):
        locate(None, tmp_path / "nowhere")
    (tmp_path / "apples").touch()
    with pytest.raises(UserError, match="holds apples"):
        locate(None, tmp_path)
    with pytest.raises(UserError, match="apples is a file"):
        locate(None, tmp_path / "apples")
    with pytest.raises(UserError, match=r"Neither dataset\.id nor dataset\.path"):
        locate(None, None)


class _Empty(BaseHTTPRequestHandler):
    """A hub that has nothing."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_what_minaris_own_client_says_is_one_line_with_the_advice(tmp_path):
    """In a process of its own: the client reads the hub's address when it is imported."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        proxies = {name for name in os.environ if name.lower().endswith("_proxy")}
        environment = {k: v for k, v in os.environ.items() if k not in proxies}
        environment |= {
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "MINARI_DATASETS_PATH": str(tmp_path),
        }
        code = (
            "from ivr.data.sources.minari.location import locate; "
            "locate('D4RL/kitchen/mixed-v2', None)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        hub.shutdown()
        thread.join()
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ivr.errors.UserError: Cannot download D4RL/kitchen/mixed-v2: ")
    assert "404" in last and f"MINARI_DATASETS_PATH={tmp_path}" in last
