import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ivr.data.sources.d4rl import location as d4rl_files
from ivr.data.sources.d4rl.location import locate_d4rl
from ivr.errors import UserError
from tests.data.loading import load_dataset
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl

ID = "gym_mujoco_v2/hopper_medium-v2.hdf5"
NAME = "hopper_medium-v2.hdf5"


class _Server(ThreadingHTTPServer):
    """Serves `content`; `cut` bytes into an answer it hangs up."""

    content = b""
    version = "one"
    cut: int | None = None
    resumes = True
    tells_size = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.pause = threading.Event()
        self.pause.set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _head(self, start: int) -> None:
        self.send_response(206 if start else 200)
        if self.server.tells_size:
            self.send_header("Content-Length", str(len(self.server.content) - start))
        self.send_header("ETag", self.server.version)
        self.end_headers()

    def do_HEAD(self) -> None:
        if not self.path.endswith(f"/{ID}"):
            self.send_error(404)
            return
        self._head(0)

    def do_GET(self) -> None:
        ranged = self.headers["Range"]
        self.server.asked.append((self.path, ranged))
        start = int(re.findall(r"\d+", ranged)[0]) if self.server.resumes else 0
        self._head(start)
        self.server.pause.wait(20)
        self.wfile.write(self.server.content[start:][: self.server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[_Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _Server() as server:
        path = write_d4rl(tmp_path / "original.hdf5", encoded_columns([Made(900, "timeout")]))
        server.content = path.read_bytes()
        monkeypatch.setattr(d4rl_files, "SERVER", f"http://127.0.0.1:{server.server_port}/sets")
        monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _root_holds(tmp_path: Path) -> list[str]:
    """Files of the folder but for the lock, which stays: others may wait for it."""
    names = {path.name for path in (tmp_path / "d4rl").iterdir()}
    return sorted(names - {f".{NAME}.lock"})


def test_a_download_is_whole_and_on_record(tmp_path, server):
    data = load_dataset(
        name="x", source="d4rl_hdf5", id=ID, view="flat", cache=tmp_path / "c", progress=False
    )
    assert data.num_transitions == 900 and data.info.source == f"d4rl_hdf5 {NAME}"
    assert _root_holds(tmp_path) == [NAME, f"{NAME}.json"]
    assert (tmp_path / "d4rl" / NAME).read_bytes() == server.content
    assert json.loads((tmp_path / "d4rl" / f"{NAME}.json").read_text()) == {
        "url": f"http://127.0.0.1:{server.server_port}/sets/{ID}",
        "bytes": len(server.content),
        "sha256": hashlib.sha256(server.content).hexdigest(),
    }
    assert locate_d4rl(ID, None, progress=False) == [tmp_path / "d4rl" / NAME]
    assert len(server.asked) == 1


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, server):
    server.cut = 10_000
    with pytest.raises(UserError, match=f"Cannot download http.*{ID}: 10,000 of .* bytes came.*"):
        locate_d4rl(ID, None, progress=False)
    assert NAME not in _root_holds(tmp_path)
    server.cut = None
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content
    assert [ranged for _, ranged in server.asked] == ["bytes=0-", "bytes=10000-"]
    assert _root_holds(tmp_path) == [NAME, f"{NAME}.json"]


def test_a_server_that_cannot_go_on_sends_everything_again(tmp_path, server):
    server.resumes, server.cut = False, 10_000
    with pytest.raises(UserError):
        locate_d4rl(ID, None, progress=False)
    server.cut = None
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content and len(server.asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(tmp_path, server):
    server.cut = 10_000
    with pytest.raises(UserError):
        locate_d4rl(ID, None, progress=False)
    server.cut, server.version = None, "two"
    server.content = server.content[::-1]
    (file,) = locate_d4rl(ID, None, progress=False)
    assert file.read_bytes() == server.content


def test_two_at_once_fetch_the_file_once(tmp_path, server):
    server.pause.clear()
    found: list[list[Path]] = []
    threads = [
        threading.Thread(target=lambda: found.append(locate_d4rl(ID, None, progress=False)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    server.pause.set()
    for thread in threads:
        thread.join(20)
    assert found == [[tmp_path / "d4rl" / NAME]] * 2
    assert found[0][0].read_bytes() == server.content and len(server.asked) == 1
    assert _root_holds(tmp_path) == [NAME, f"{NAME}.json"]


def test_a_server_that_does_not_have_it_or_does_not_say_how_much(server):
    with pytest.raises(UserError, match=r"Cannot download .*/ants\.hdf5: HTTP Error 404.*Put ants"):
        locate_d4rl("gym/ants.hdf5", None)
    server.tells_size = False
    with pytest.raises(UserError, match="does not report the size"):
        locate_d4rl(ID, None, progress=False)


def test_a_fetched_file_that_lost_bytes_is_told(tmp_path, server):
    (file,) = locate_d4rl(ID, None, progress=False)
    file.write_bytes(server.content[:-7])
    with pytest.raises(UserError, match=rf"{file} has [\d,]+ bytes and had [\d,]+ when it was"):
        locate_d4rl(ID, None, progress=False)


def _load(tmp_path: Path) -> int:
    return load_dataset(
        name="x", source="d4rl_hdf5", id=ID, view="flat", cache=tmp_path / "c", progress=False
    ).num_transitions


def test_a_fetched_file_with_another_byte_is_told_before_it_is_converted(tmp_path, server):
    (file,) = locate_d4rl(ID, None, progress=False)
    changed = bytearray(server.content)
    changed[-1] ^= 1
    file.write_bytes(changed)
    with pytest.raises(UserError, match=rf"{file} has the SHA-256 \w+ and had \w+ when it was"):
        _load(tmp_path)
    assert not any((tmp_path / "c").iterdir())
    file.write_bytes(server.content)
    assert _load(tmp_path) == 900


def test_another_file_at_the_same_address_is_told(tmp_path, server):
    (file,) = locate_d4rl(ID, None, progress=False)
    file.unlink()
    original, server.content = server.content, server.content[::-1]
    with pytest.raises(UserError, match=r"now has the SHA-256 .* had .* To take it, delete"):
        locate_d4rl(ID, None, progress=False)
    assert _root_holds(tmp_path) == [f"{NAME}.json"]
    server.content, server.version = original, "one again"
    assert locate_d4rl(ID, None, progress=False) == [file] and file.read_bytes() == original


def test_a_damaged_record_is_told(tmp_path, server):
    locate_d4rl(ID, None, progress=False)
    (tmp_path / "d4rl" / f"{NAME}.json").write_text("{}")
    with pytest.raises(UserError, match=rf"{NAME}\.json is damaged: delete it"):
        locate_d4rl(ID, None, progress=False)


def test_nothing_is_fetched_where_only_the_network_is_asked_for(tmp_path, server):
    assert locate_d4rl(ID, None, download=False) == [tmp_path / "d4rl" / NAME]
    assert server.asked == [] and not (tmp_path / "d4rl").exists()
